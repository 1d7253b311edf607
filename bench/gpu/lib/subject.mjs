// One kernel over one cache: what is measured against others.
import { read } from '@vattention/core'
import { slice } from '@vattention/interface'

import { refusal } from './backends.mjs'
import { attentionRow } from './noise.mjs'

/** Query rows and the output that all subjects write to, in turn. */
export class Rows {
  /**
   * @param {object} gpu
   * @param {object} model
   * @param {number} tokens Most rows of a pass.
   * @param {import('./noise.mjs').Noise} noise Of queries.
   * @param {(from: object, to: object) => void} copy
   */
  constructor(gpu, model, tokens, noise, copy) {
    const { queryHeads, headDim, dtype } = model
    this.noise = noise
    this.query = gpu.tensor(dtype, [tokens, queryHeads, headDim])
    this.output = gpu.tensor(dtype, [tokens, queryHeads, headDim])
    for (let at = 0; at < tokens; at += noise.rows) {
      const count = Math.min(noise.rows, tokens - at)
      copy(slice(noise.tensor, 0, count), slice(this.query, at, at + count))
    }
  }

  /** The first rows, as a pass of so many takes them. */
  of(tokens) {
    return { query: slice(this.query, 0, tokens), output: slice(this.output, 0, tokens) }
  }

  dispose() {
    this.query[Symbol.dispose]()
    this.output[Symbol.dispose]()
  }
}

/** A result that is too far from the oracle's is never timed. */
const mostError = 0.02
const leastError = 1e-4

export class Subject {
  /**
   * @param {object} gpu
   * @param {string} name
   * @param {object} backend
   * @param {import('./filled-cache.mjs').FilledCache} filled
   * @param {Rows} rows
   * @param {number} maxTokens Rows of the largest pass.
   * @throws with all reasons when the backend does not serve the cache
   */
  constructor(gpu, name, backend, filled, rows, maxTokens) {
    const { cache, sequences, length, model } = filled
    const config = { cache, queryHeads: model.queryHeads, dtype: model.dtype }
    const refused = refusal(backend, config)
    if (refused !== undefined) throw new Error(refused)
    this.name = name
    this.filled = filled
    this.rows = rows
    this.gpu = gpu
    this.plan = backend.createPlan(config, {
      maxSequences: sequences,
      maxTokens,
      maxLength: length,
    })
  }

  /** Lays out a pass in which every sequence has `query` new tokens of `kv` in all. */
  prepare(query, kv) {
    const { cache, handles, sequences } = this.filled
    this.query = query
    this.kv = kv
    this.tensors = this.rows.of(sequences * query)
    this.plan.prepare({
      cache,
      sequences: handles,
      queryLengths: new Uint32Array(sequences).fill(query),
      kvLengths: new Uint32Array(sequences).fill(kv),
      ...(this.gpu.stream && { stream: this.gpu.stream }),
    })
  }

  run(layer) {
    const { query, output } = this.tensors
    this.plan.run({ layer, query, output })
  }

  /**
   * Compares rows of one layer with the oracle.
   * @param {{ layer?: number, thorough?: boolean }} [options] `thorough`: first, middle and last rows
   * of two heads, else the last row of one. The oracle is slow.
   * @returns the largest error, as a part of the row's largest number
   * @throws when it is too large
   */
  async check({ layer = 0, thorough = true } = {}) {
    this.run(layer)
    await this.gpu.synchronize()
    const { filled, query, kv } = this
    const { queryHeads, kvHeads } = filled.model
    const group = queryHeads / kvHeads
    const rows = thorough ? [...new Set([0, Math.floor(query / 2), query - 1])] : [query - 1]
    const heads = thorough ? [0, queryHeads - 1] : [queryHeads - 1]
    const sequences = [...new Set([0, filled.sequences - 1])]
    let worst = 0
    for (const sequence of sequences) {
      for (const row of rows) {
        const at = sequence * query + row
        const found = read(slice(this.tensors.output, at, at + 1))
        for (const head of heads) {
          const kvHead = Math.floor(head / group)
          const of = (kind) => (token) =>
            filled.noise.head(filled.noiseRow(layer, kind, sequence, token), kvHead)
          const expected = attentionRow(
            this.rows.noise.head(at % this.rows.noise.rows, head),
            kv - query + row + 1,
            of(0),
            of(1),
          )
          const scale = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
          const from = head * expected.length
          expected.forEach((value, i) => {
            const error = Math.abs(found[from + i] - value)
            // NaN too.
            if (!(error <= mostError * scale + leastError)) {
              throw new Error(
                `wrong: sequence ${sequence}, row ${row}, head ${head}: ${found[from + i]} ` +
                  `instead of ${value}`,
              )
            }
            worst = Math.max(worst, error / scale)
          })
        }
      }
    }
    return worst
  }

  dispose() {
    this.plan[Symbol.dispose]()
  }
}

/**
 * Makes subjects and prepares them for one pass; what cannot be made, or computes something else, is
 * skipped with its reason.
 *
 * @param {Record<string, () => Subject>} makers By name.
 * @returns {Promise<Map<string, { subject: Subject, maxError: number }>>}
 */
export async function checkedSubjects(makers, query, kv, result, where) {
  const found = new Map()
  for (const [name, make] of Object.entries(makers)) {
    let subject
    try {
      subject = make()
      subject.prepare(query, kv)
      found.set(name, { subject, maxError: await subject.check() })
    } catch (error) {
      subject?.dispose()
      result.skip(`${where}: ${name}`, error)
    }
  }
  return found
}
