/**
 * Someone's own engine: it has its own weights, its own scheduler and its own memory for
 * activations, and uses two packages only. `@vattention/core` gives it a KV cache that is contiguous
 * in virtual memory, `@vattention/cpu` attention over it.
 */
import { ContiguousKvCache, hostTensor, read, write } from '@vattention/core'
import { createCpuBackend } from '@vattention/cpu'
import { slice, type Sequence } from '@vattention/interface'

const layers = 2
const queryHeads = 8
const kvHeads = 2
const headDim = 64
const maxSequences = 4
const maxTokens = 256 // rows in one pass
const maxLength = 4096

/** One line of what happened. */
export type Log = (line: string) => void

/** Prefills two requests in one pass, decodes them together, and branches one of them. */
export function run(log: Log): void {
  using cache = new ContiguousKvCache({
    layers,
    kvHeads,
    headDim,
    dtype: 'bfloat16',
    maxSequences,
    maxLength,
    limitBytes: 64 * 2 ** 20,
  })
  using backend = createCpuBackend()
  using plan = backend.createPlan(
    { cache, queryHeads, dtype: 'float32' },
    { maxSequences, maxTokens, maxLength },
  )
  // The engine's own activations: allocated once, used for every pass.
  using query = hostTensor('float32', [maxTokens, queryHeads, headDim])
  using key = hostTensor('float32', [maxTokens, kvHeads, headDim])
  using value = hostTensor('float32', [maxTokens, kvHeads, headDim])
  using output = hostTensor('float32', [maxTokens, queryHeads, headDim])

  /** One forward pass over some sequences: memory first, then every layer. */
  function pass(sequences: Sequence[], queryLengths: number[], kvLengths: number[]): Float32Array {
    const handles = Uint32Array.from(sequences)
    const lengths = Uint32Array.from(kvLengths)
    const step = cache.step(handles, lengths)
    if (step.status === 'outOfMemory') {
      // Nothing has changed. A real engine would preempt a sequence here, or wait when
      // `pendingBytes` will do.
      throw new Error(`the cache lacks ${step.neededBytes} bytes`)
    }
    plan.prepare({
      cache,
      sequences: handles,
      queryLengths: Uint32Array.from(queryLengths),
      kvLengths: lengths,
    })
    const rows = queryLengths.reduce((sum, length) => sum + length, 0)
    const part = (tensor: typeof query) => slice(tensor, 0, rows)
    for (let layer = 0; layer < layers; layer++) {
      // Where a model would multiply by its weights, this one makes numbers up.
      for (const tensor of [query, key, value])
        write(part(tensor), noise(part(tensor).shape, layer))
      plan.run({
        layer,
        query: part(query),
        key: part(key),
        value: part(value),
        output: part(output),
      })
    }
    return read(part(output)) as Float32Array
  }

  const first = cache.allocate()!.sequence
  const second = cache.allocate()!.sequence
  pass([first, second], [100, 40], [100, 40])
  log(`prefilled 100 + 40 tokens in one pass: ${used(cache)}`)

  for (let token = 1; token <= 16; token++) pass([first, second], [1, 1], [100 + token, 40 + token])
  log(`decoded 16 tokens of each: ${used(cache)}`)

  // A branch shows the same tokens without computing them: whole pages are mapped a second time,
  // the last one is copied by the next step.
  const branch = cache.fork(first, 116)!
  const rows = pass([branch, second], [1, 1], [117, 57])
  log(`branched and decoded the branch: ${used(cache)}`)
  log(
    `the last row begins ${Array.from(rows.slice(-headDim, -headDim + 3), (x) => x.toFixed(4)).join(', ')}`,
  )

  for (const sequence of [first, second, branch]) cache.free(sequence)
  const { liveSequences, parkedBytes } = cache.stats()
  log(
    `freed all: ${liveSequences} sequences live, ${parkedBytes / 1024} KiB parked for the next ones`,
  )
}

function used(cache: ContiguousKvCache): string {
  const { mappedBytes, usedBytes, sharedBytes } = cache.stats()
  const kib = (bytes: number) => `${Math.round(bytes / 1024)} KiB`
  return `${kib(mappedBytes)} mapped, ${kib(usedBytes)} used, ${kib(sharedBytes)} shared`
}

/** Numbers between -1 and 1 that depend on their place only. */
function noise(shape: readonly number[], seed: number): Float32Array {
  const length = shape.reduce((product, size) => product * size, 1)
  return Float32Array.from({ length }, (_, i) => Math.sin((i + 1) * 12.9898 + seed * 78.233))
}
