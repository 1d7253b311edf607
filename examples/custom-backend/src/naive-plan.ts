import {
  checkBatch,
  checkRun,
  errors,
  type AttentionBatch,
  type AttentionConfig,
  type AttentionPlan,
  type KvCache,
  type PlanLimits,
  type Reason,
  type RunArguments,
  type Sequence,
  type Tensor,
} from '@vattention/interface'
import { read, write } from '@vattention/core'

import { CacheReader } from './cache-reader.ts'

/** What `prepare` learned of a sequence: all that no layer changes. */
interface Row {
  readonly sequence: Sequence
  readonly queryLength: number
  readonly kvLength: number
  /** Its first query row in the batch. */
  readonly token: number
}

/** A prepared pass. */
interface Pass {
  readonly cache: KvCache
  readonly reader: CacheReader
  readonly rows: readonly Row[]
  readonly tokens: number
}

/** A plan without buffers: it reads what it needs, when it needs it. */
export class NaivePlan implements AttentionPlan {
  readonly workspaceBytes = 0
  readonly #config: AttentionConfig
  readonly #limits: PlanLimits
  #pass: Pass | undefined
  #disposed = false

  constructor(config: AttentionConfig, limits: PlanLimits) {
    this.#config = config
    this.#limits = limits
  }

  prepare(batch: AttentionBatch): void {
    if (this.#disposed) throw errors.disposed('The plan')
    const tokens = checkBatch(batch, this.#limits) // arrays, lengths and limits
    const { cache } = batch
    const reader = new CacheReader(cache)
    const reasons: Reason[] = []
    let token = 0
    const rows = Array.from(batch.sequences, (handle, i): Row => {
      const sequence = handle as Sequence
      const [queryLength, kvLength] = [batch.queryLengths[i]!, batch.kvLengths[i]!]
      const backed = cache.backedLength(sequence) // throws for a stale handle
      if (kvLength > backed) {
        reasons.push(reason('kvLengths', `at most the ${backed} tokens backed`, kvLength))
      } else if (this.#config.window === undefined && reader.hasSlid(sequence, kvLength)) {
        reasons.push(reason('window', 'a window for a sequence that has slid', 'none'))
      }
      token += queryLength
      return { sequence, queryLength, kvLength, token: token - queryLength }
    })
    if (reasons.length > 0) throw errors.invalidBatch(reasons)
    this.#pass = { cache, reader, rows, tokens }
  }

  run(args: RunArguments): void {
    const { rows } = this.#check('run', args)
    const { layer, key, value } = args
    if (key && value) this.#append(layer, key, value)
    const query = read(args.query)
    const [tokens, heads, dim] = args.output.shape as [number, number, number]
    const output = new Float32Array(tokens * heads * dim) // an empty row stays zero
    const lse = new Float32Array(tokens * heads).fill(-Infinity)
    for (const row of rows) this.#attend(row, layer, query, output, lse)
    write(args.output, output)
    if (args.lse) write(args.lse, lse)
  }

  /** Nothing to gain: JavaScript has one thread. */
  async runAsync(args: RunArguments): Promise<void> {
    this.run(args)
  }

  append(args: { readonly layer: number; readonly key: Tensor; readonly value: Tensor }): void {
    this.#check('append', args)
    this.#append(args.layer, args.key, args.value)
  }

  [Symbol.dispose](): void {
    this.#disposed = true
  }

  /** Everything wrong with the arguments is found before anything is written. */
  #check(what: 'run' | 'append', args: Parameters<typeof checkRun>[1]): Pass {
    if (this.#disposed) throw errors.disposed('The plan')
    if (!this.#pass) throw errors.notPrepared()
    const { cache, tokens } = this.#pass
    const { queryHeads, dtype } = this.#config
    checkRun(what, args, { ...cache.shape, tokens, queryHeads, dtype, device: cache.device })
    return this.#pass
  }

  #append(layer: number, key: Tensor, value: Tensor): void {
    const { rows, reader } = this.#pass!
    for (const [what, tensor] of Object.entries({ key, value }) as ['key' | 'value', Tensor][]) {
      const [, heads, dim] = tensor.shape as [number, number, number]
      const values = read(tensor) as Float32Array
      for (const { sequence, queryLength, kvLength, token } of rows) {
        if (kvLength === 0) continue
        const own = values.subarray(token * heads * dim, (token + queryLength) * heads * dim)
        reader.write(sequence, layer, what, kvLength - queryLength, own)
      }
    }
  }

  /** softmax(scale * q·k) · v for the query rows of one sequence. */
  #attend(
    row: Row,
    layer: number,
    query: ArrayLike<number>,
    output: Float32Array,
    lse: Float32Array,
  ) {
    const { cache, reader } = this.#pass!
    const { kvHeads, headDim, valueHeadDim } = cache.shape
    const {
      queryHeads,
      scale = 1 / Math.sqrt(headDim),
      causal = true,
      window = Infinity,
    } = this.#config
    const { sequence, queryLength, kvLength } = row
    if (kvLength === 0) return
    // The first token that any of the rows sees; before it a slid sequence has nothing to read.
    const start = Math.max(0, kvLength - queryLength - window + 1)
    const keys = reader.read(sequence, layer, 'key', start, kvLength)
    const values = reader.read(sequence, layer, 'value', start, kvLength)
    const scores = new Float64Array(kvLength)
    const sums = new Float64Array(valueHeadDim)
    for (let i = 0; i < queryLength; i++) {
      const position = kvLength - queryLength + i
      const first = Math.max(0, position - window + 1)
      const end = causal ? position + 1 : kvLength
      for (let head = 0; head < queryHeads; head++) {
        const kvHead = Math.floor(head / (queryHeads / kvHeads))
        const at = (row.token + i) * queryHeads + head
        let highest = -Infinity
        for (let j = first; j < end; j++) {
          const keyAt = ((j - start) * kvHeads + kvHead) * headDim
          let score = 0
          for (let d = 0; d < headDim; d++) score += query[at * headDim + d]! * keys[keyAt + d]!
          scores[j] = score * scale
          if (scores[j]! > highest) highest = scores[j]!
        }
        let sum = 0
        sums.fill(0)
        for (let j = first; j < end; j++) {
          const weight = Math.exp(scores[j]! - highest)
          const valueAt = ((j - start) * kvHeads + kvHead) * valueHeadDim
          sum += weight
          for (let d = 0; d < valueHeadDim; d++) sums[d]! += weight * values[valueAt + d]!
        }
        for (let d = 0; d < valueHeadDim; d++) output[at * valueHeadDim + d] = sums[d]! / sum
        lse[at] = highest + Math.log(sum)
      }
    }
  }
}

function reason(code: string, expected: string, found: unknown): Reason {
  const message = `${code}: ${expected} required, found ${found}`
  return { code, message, expected, found: String(found) }
}
