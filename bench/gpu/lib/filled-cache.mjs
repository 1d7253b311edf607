// A cache that holds sequences of one length, filled with noise: what attention is measured over.
import { ContiguousKvCache } from '@vattention/core'
import { slice } from '@vattention/interface'
import { PagedKvCache } from '@vattention/paged-attention'

import { refusal } from './backends.mjs'
import { shuffled } from './statistics.mjs'

/** Rows that FlashAttention-3 reads behind a sequence: its largest causal tile. */
const tailRows = 128

/** The result of a step that must have succeeded. */
export function must(result) {
  if (result.status !== 'ok') throw new Error(`a step failed: ${JSON.stringify(result)}`)
  return result
}

/**
 * Leaves a paged pool's free blocks in a random order, as a server that has run for a while has
 * them: sequences take all blocks, and give them back one by one, each time another of them.
 */
export function scatterBlocks(cache, blocks, random) {
  const { blockTokens } = cache
  const { maxSequences, maxLength } = cache.shape
  const handles = Uint32Array.from({ length: maxSequences }, () => cache.allocate().sequence)
  const held = new Uint32Array(maxSequences)
  const most = Math.floor(maxLength / blockTokens)
  for (let left = blocks; left > 0;) {
    const growing = shuffled([...handles.keys()], random)
      .filter((i) => held[i] < most)
      .slice(0, Math.min(left, Math.ceil(maxSequences / 2)))
    for (const i of growing) held[i]++
    left -= growing.length
    const lengths = Uint32Array.from(growing, (i) => held[i] * blockTokens)
    must(
      cache.step(
        Uint32Array.from(growing, (i) => handles[i]),
        lengths,
      ),
    )
  }
  const live = [...handles.keys()].filter((i) => held[i] > 0)
  while (live.length > 0) {
    const at = Math.floor(random() * live.length)
    const i = live[at]
    cache.truncate(handles[i], --held[i] * blockTokens)
    if (held[i] === 0) live.splice(at, 1)
  }
  for (const handle of handles) cache.free(handle)
}

/** Share of a table's neighbours that are not neighbours in memory: 1 is scattered, 0 in order. */
function scatterOf(cache, handles, length) {
  const stride = Math.ceil(length / cache.blockTokens)
  const tables = new Int32Array(handles.length * stride)
  cache.view().blockTables(handles, tables, stride)
  let apart = 0
  for (let i = 1; i < tables.length; i++) if (tables[i] !== tables[i - 1] + 1) apart++
  return tables.length > 1 ? apart / (tables.length - 1) : 1
}

/**
 * @typedef {object} CacheOptions
 * @property {object} model `layers` and heads: formulas.mjs.
 * @property {number} sequences
 * @property {number} length Of each.
 * @property {'interleaved' | 'split'} [layout] Contiguous.
 * @property {number} [blockTokens] Paged.
 * @property {'nhd' | 'paged-attention'} [poolLayout] Paged.
 * @property {() => number} random
 */

const bytesPerToken = ({ layers, kvHeads, headDim }) => 2 * layers * kvHeads * headDim * 2

/** Bytes of the tokens that such a cache holds. */
export const cacheBytes = ({ model, sequences, length }) =>
  bytesPerToken(model) * sequences * length

function makeContiguous(gpu, { model, sequences, length, layout }) {
  const { layers, kvHeads, headDim, dtype } = model
  const bytes = bytesPerToken(model) * sequences * (length + tailRows)
  // Of each tensor a sequence's last page is not full.
  const tensors = layout === 'split' ? 2 * layers : 1
  return new ContiguousKvCache({
    ...{ layers, kvHeads, headDim, dtype, layout, tailRows },
    device: gpu.device,
    maxSequences: sequences,
    maxLength: length,
    limitBytes: bytes + 2 * tensors * sequences * 2 ** 21 + 2 ** 30,
    mapAhead: false,
  })
}

function makePaged(gpu, { model, sequences, length, blockTokens, poolLayout = 'nhd', random }) {
  const { layers, kvHeads, headDim, dtype } = model
  const blocks = sequences * Math.ceil(length / blockTokens)
  const cache = new PagedKvCache({
    ...{ layers, kvHeads, headDim, dtype, blockTokens, poolLayout },
    device: gpu.device,
    // Twice, and some: those that scatter the blocks.
    maxSequences: 2 * sequences + 32,
    maxLength: length,
    limitBytes: blocks * blockTokens * bytesPerToken(model),
    prefixCache: false,
  })
  scatterBlocks(cache, blocks, random)
  return cache
}

/** A cache filled with `sequences` of `length` tokens. */
export class FilledCache {
  /**
   * @param {object} gpu
   * @param {CacheOptions} options
   * @param {Iterable<object>} backends One of them fills it: the first that serves it.
   * @param {import('./noise.mjs').Noise} noise Of keys and values.
   */
  constructor(gpu, options, backends, noise) {
    const { model, sequences, length } = options
    this.model = model
    this.sequences = sequences
    this.length = length
    this.noise = noise
    this.chunk = Math.min(length, Math.floor(noise.rows / sequences))
    if (this.chunk < 1 || length % this.chunk !== 0) {
      throw new Error(`${sequences} x ${length} tokens are no whole pieces of the noise`)
    }
    this.cache = options.blockTokens ? makePaged(gpu, options) : makeContiguous(gpu, options)
    try {
      this.handles = Uint32Array.from({ length: sequences }, () => this.cache.allocate().sequence)
      must(this.cache.step(this.handles, new Uint32Array(sequences).fill(length)))
      if (options.blockTokens) this.scatter = scatterOf(this.cache, this.handles, length)
      this.#fill(gpu, backends)
    } catch (error) {
      this.cache[Symbol.dispose]()
      throw error
    }
  }

  /** The row of noise that is the key (kind 0) or value (kind 1) of a token. */
  noiseRow(layer, kind, sequence, token) {
    const chunk = Math.floor(token / this.chunk)
    return this.#shift(layer, kind, chunk) + sequence * this.chunk + (token % this.chunk)
  }

  #shift(layer, kind, chunk) {
    return (layer * 977 + kind * 463 + chunk * 131) % this.noise.rows
  }

  #fill(gpu, backends) {
    const { cache, handles, sequences, length, chunk, noise } = this
    const { layers, queryHeads, dtype } = this.model
    const config = { cache, queryHeads, dtype }
    const backend = [...backends].find((one) => refusal(one, config) === undefined)
    if (!backend) throw new Error('no backend can write into this cache')
    const plan = backend.createPlan(config, {
      maxSequences: sequences,
      maxTokens: sequences * chunk,
      maxLength: length,
    })
    for (let at = 0; at < length; at += chunk) {
      plan.prepare({
        cache,
        sequences: handles,
        queryLengths: new Uint32Array(sequences).fill(chunk),
        kvLengths: new Uint32Array(sequences).fill(at + chunk),
        ...(gpu.stream && { stream: gpu.stream }),
      })
      for (let layer = 0; layer < layers; layer++) {
        const [key, value] = [0, 1].map((kind) => {
          const from = this.#shift(layer, kind, at / chunk)
          return slice(noise.tensor, from, from + sequences * chunk)
        })
        plan.append({ layer, key, value })
      }
    }
    plan[Symbol.dispose]()
  }

  dispose() {
    return this.cache.disposeAsync()
  }
}
