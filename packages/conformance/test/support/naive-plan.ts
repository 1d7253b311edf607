/**
 * A plan of the naive backend: gathers keys and values, loops over rows, heads and keys. Written
 * without the kit's own reading of views, so that it checks that too. `mutation` breaks one thing.
 */
import {
  checkBatch,
  checkRun,
  errors,
  type AttentionBatch,
  type AttentionConfig,
  type AttentionPlan,
  type CacheView,
  type KvCache,
  type PlanLimits,
  type Reason,
  type RunArguments,
  type Tensor,
} from '@vattention/interface'

import type { Memory } from '../../src/memory.ts'
import type { Mutation } from './mutations.ts'

/** A prepared sequence. */
interface Row {
  readonly queryLength: number
  readonly kvLength: number
  readonly slot: number
  readonly blocks: Int32Array
  /** Of the first query row in the batch. */
  readonly token: number
}

export class NaivePlan implements AttentionPlan {
  readonly workspaceBytes = 0
  readonly #config: AttentionConfig
  readonly #limits: PlanLimits
  readonly #memory: Memory
  readonly #mutation: Mutation | undefined
  #batch:
    { readonly rows: readonly Row[]; readonly tokens: number; readonly cache: KvCache } | undefined
  /** Of the batch before. */
  #former: readonly Row[] = []
  #disposed = false

  constructor(config: AttentionConfig, limits: PlanLimits, memory: Memory, mutation?: Mutation) {
    this.#config = config
    this.#limits = limits
    this.#memory = memory
    this.#mutation = mutation
  }

  prepare(batch: AttentionBatch): void {
    if (this.#disposed) throw errors.disposed('The plan')
    const tokens = checkBatch(batch, this.#limits)
    const { cache, sequences, queryLengths, kvLengths } = batch
    const view = cache.view()
    const reasons: Reason[] = []
    let token = 0
    const rows = Array.from(sequences, (sequence, i) => {
      const one = Uint32Array.of(sequence)
      const backed = cache.backedLength(sequence as never)
      const kvLength = kvLengths[i]!
      if (kvLength > backed && this.#mutation !== 'unbacked lengths accepted') {
        reasons.push(reason('kvLengths', `at most the ${backed} backed`, kvLength))
      }
      const slot = new Int32Array(1)
      let blocks = new Int32Array(0)
      if (view.kind === 'contiguous') view.slots(one, slot)
      else {
        const width = Math.ceil(cache.shape.maxLength / view.blockTokens)
        blocks = new Int32Array(width)
        view.blockTables(one, blocks, width)
        const used = blocks.subarray(0, Math.ceil(kvLength / view.blockTokens))
        if (used.includes(-1) && kvLength <= backed && this.#config.window === undefined) {
          reasons.push(reason('window', 'a window for a slid sequence', 'none'))
        }
      }
      const start = token
      token += queryLengths[i]!
      if (this.#mutation === 'slots ignored') slot[0] = i
      return { queryLength: queryLengths[i]!, kvLength, slot: slot[0]!, blocks, token: start }
    })
    if (reasons.length > 0) throw errors.invalidBatch(reasons)
    if (this.#mutation === 'prompts first, outputs too') regroup(rows)
    if (this.#mutation === 'graph keeps its first lengths' && this.#limits.graph && this.#batch) {
      for (const [i, { kvLength }] of this.#batch.rows.entries()) {
        if (rows[i]) rows[i] = { ...rows[i], kvLength: Math.min(kvLength, rows[i].kvLength) }
      }
    }
    this.#former = this.#batch?.rows ?? rows
    this.#batch = { rows, tokens, cache }
  }

  run(args: RunArguments): void {
    const { rows, cache } = this.#check('run', args)
    const { query, key, value, output, lse } = args
    const layer = this.#mutation === 'layer ignored' ? 0 : args.layer
    if (key && value) this.#write({ layer, key, value })
    const q = this.#memory.read(this.#mutation === 'packed query assumed' ? packed(query) : query)
    const { queryHeads } = this.#config
    const { valueHeadDim } = cache.shape
    const out = new Float32Array(query.shape[0]! * queryHeads * valueHeadDim)
    const logs = new Float32Array(query.shape[0]! * queryHeads).fill(-Infinity)
    for (const row of rows) this.#attend(cache.view(), layer, row, q as Float32Array, out, logs)
    if (this.#mutation === 'graph leaves its padding alone' && this.#limits.graph) {
      out.fill(NaN, rows.length * queryHeads * valueHeadDim)
    }
    if (this.#mutation === 'last row dropped') out.fill(0, out.length - queryHeads * valueHeadDim)
    this.#memory.write(output, out)
    if (lse) this.#memory.write(lse, logs)
  }

  async runAsync(args: RunArguments): Promise<void> {
    this.#check('run', args)
    await Promise.resolve()
    this.run(args)
  }

  append(args: { readonly layer: number; readonly key: Tensor; readonly value: Tensor }): void {
    this.#check('append', args)
    this.#write(args)
  }

  [Symbol.dispose](): void {
    this.#disposed = true
  }

  #check(what: 'run' | 'append', args: RunArguments | Parameters<AttentionPlan['append']>[0]) {
    if (this.#disposed) throw errors.disposed('The plan')
    if (!this.#batch) throw errors.notPrepared()
    const { tokens, cache } = this.#batch
    const { queryHeads, dtype } = this.#config
    if (this.#mutation === 'written before checked' && 'output' in args && args.output) {
      this.#memory.write(
        args.output,
        new Float32Array(args.output.shape.reduce((a, b) => a * b, 1)),
      )
    }
    checkRun(what, args, { ...cache.shape, tokens, queryHeads, dtype, device: cache.device })
    return this.#batch
  }

  #write({ layer, key, value }: { layer: number; key: Tensor; value: Tensor }): void {
    const { rows, cache } = this.#batch!
    for (const name of ['key', 'value'] as const) {
      const tensor = name === 'key' ? key : value
      const width = tensor.shape[1]! * tensor.shape[2]!
      const all = this.#memory.read(tensor) as Float32Array
      this.#scale(all, name, tensor.shape[2]!, -1)
      const stale = this.#mutation === 'graph appends one batch late' && this.#limits.graph
      for (const row of stale ? this.#former : rows) {
        if (row.kvLength === 0) continue
        const late = this.#mutation === 'appended one row late' ? 1 : 0
        for (let i = 0; i < row.queryLength; i++) {
          const token = Math.min(row.kvLength - 1, row.kvLength - row.queryLength + i + late)
          const from = (row.token + i) * width
          const place = this.#tokens(cache.view(), layer, name, row, token, 1)
          this.#memory.write(place, all.subarray(from, from + width))
        }
      }
    }
  }

  /** Tokens that lie together, as `[token, kvHead, dim]`: within a slot or a block. */
  #tokens(
    view: CacheView,
    layer: number,
    name: 'key' | 'value',
    row: Row,
    token: number,
    count: number,
  ): Tensor {
    const source = view.layers[layer]![name]
    const tensor = this.#mutation === 'packed cache assumed' ? packed(source) : source
    const { strides, shape } = tensor
    const bytes = { float32: 4, float16: 2, bfloat16: 2, float8_e4m3: 1, int32: 4 }[tensor.dtype]
    const at = (elements: number) => tensor.data + BigInt(elements * bytes)
    if (view.kind === 'contiguous') {
      return {
        ...tensor,
        data: at(row.slot * strides[0]! + token * strides[1]!),
        shape: [count, shape[2]!, shape[3]!],
        strides: strides.slice(1),
      }
    }
    const block = row.blocks[Math.floor(token / view.blockTokens)]!
    const axis = view.layout === 'nhd' ? 1 : 3
    const dims = view.layout === 'nhd' ? [2, 3] : name === 'key' ? [1, 2, 4] : [1, 2]
    return {
      ...tensor,
      data: at(block * strides[0]! + (token % view.blockTokens) * strides[axis]!),
      shape: [count, ...dims.map((dim) => shape[dim]!)],
      strides: [strides[axis]!, ...dims.map((dim) => strides[dim]!)],
    }
  }

  /** `[kvLength, kvHeads, dim]` from the first visible token on. */
  #gather(view: CacheView, layer: number, name: 'key' | 'value', row: Row, from: number) {
    const { headDim, valueHeadDim, kvHeads } = this.#batch!.cache.shape
    const dim = name === 'key' ? headDim : valueHeadDim
    const extra = this.#mutation === 'stale tail read' ? 1 : 0
    const end = Math.min(row.kvLength + extra, this.#batch!.cache.shape.maxLength)
    const all = new Float32Array(end * kvHeads * dim)
    const step = view.kind === 'paged' ? view.blockTokens : Infinity
    for (let token = from; token < end;) {
      const count = Math.min(end - token, step - (view.kind === 'paged' ? token % step : 0))
      const part = this.#memory.read(this.#tokens(view, layer, name, row, token, count))
      all.set(part as Float32Array, token * kvHeads * dim)
      token += count
    }
    this.#scale(all, name, dim, 1)
    return all
  }

  #scale(rows: Float32Array, name: 'key' | 'value', dim: number, power: 1 | -1): void {
    const scales = this.#config.fp8Scales && this.#memory.read(this.#config.fp8Scales[name])
    if (!scales) return
    const { kvHeads } = this.#batch!.cache.shape
    for (let i = 0; i < rows.length; i++)
      rows[i]! *= scales[Math.floor(i / dim) % kvHeads]! ** power
  }

  #attend(
    view: CacheView,
    layer: number,
    row: Row,
    q: Float32Array,
    out: Float32Array,
    logs: Float32Array,
  ): void {
    const { queryLength, kvLength } = row
    const { queryHeads, softCap, alibiSlopes, sinks } = this.#config
    const { kvHeads, headDim, valueHeadDim } = this.#batch!.cache.shape
    const mutation = this.#mutation
    if (kvLength === 0) {
      if (mutation === 'empty rows left alone') out.fill(NaN, row.token * queryHeads * valueHeadDim)
      return
    }
    const scale = this.#config.scale ?? 1 / Math.sqrt(headDim)
    const window = (this.#config.window ?? Infinity) + (mutation === 'window off by one' ? 1 : 0)
    const causal = (this.#config.causal ?? true) && mutation !== 'causal ignored'
    const earliest = Math.max(0, kvLength - queryLength - window + 1)
    const keys = this.#gather(view, layer, 'key', row, earliest)
    const values = this.#gather(view, layer, 'value', row, earliest)
    const scores = new Float64Array(kvLength + 1)
    for (let i = 0; i < queryLength; i++) {
      const position = mutation === 'causal from the top left' ? i : kvLength - queryLength + i
      const end = causal ? position + 1 : kvLength
      const begin = Math.max(0, position - window + 1)
      for (let head = 0; head < queryHeads; head++) {
        const kvHead =
          mutation === 'heads interleaved'
            ? head % kvHeads
            : Math.floor((head * kvHeads) / queryHeads)
        const queryAt = ((row.token + i) * queryHeads + head) * headDim
        let highest = sinks && mutation !== 'sinks ignored' ? sinks[head]! : -Infinity
        for (let j = begin; j < end; j++) {
          let score = 0
          const keyAt = (j * kvHeads + kvHead) * headDim
          for (let d = 0; d < headDim; d++) score += q[queryAt + d]! * keys[keyAt + d]!
          if (mutation === 'cap before scale') {
            if (softCap) score = softCap * Math.tanh(score / softCap)
            score *= scale
          } else {
            score *= scale
            if (softCap) score = softCap * Math.tanh(score / softCap)
          }
          if (alibiSlopes) {
            score +=
              alibiSlopes[head]! *
              (mutation === 'ALiBi the other way' ? position - j : j - position)
          }
          scores[j] = score
          highest = Math.max(highest, score)
        }
        if (mutation === 'softmax without maximum') highest = 0
        let sum = sinks && mutation !== 'sinks ignored' ? Math.exp(sinks[head]! - highest) : 0
        const outAt = ((row.token + i) * queryHeads + head) * valueHeadDim
        const sums = new Float64Array(valueHeadDim)
        // A split that follows the batch: the same numbers, summed in another order.
        const first = mutation === 'bits depend on the batch' ? this.#batch!.rows.length % 5 : 0
        for (let step = 0; step < end - begin; step++) {
          const j = begin + ((step + first) % (end - begin))
          const weight = Math.exp(scores[j]! - highest)
          const valueAt = (j * kvHeads + kvHead) * valueHeadDim
          sum += first === 0 ? weight : Math.fround(weight)
          for (let d = 0; d < valueHeadDim; d++) sums[d]! += weight * values[valueAt + d]!
        }
        if (mutation === 'stale tail read') {
          for (let d = 0; d < valueHeadDim; d++) {
            const stale = values[(kvLength * kvHeads + kvHead) * valueHeadDim + d] ?? 0
            sums[d]! += 0 * stale
          }
        }
        for (let d = 0; d < valueHeadDim; d++) out[outAt + d] = sums[d]! / sum
        const log = highest + Math.log(sum)
        logs[(row.token + i) * queryHeads + head] = mutation === 'base-2 LSE' ? log / Math.LN2 : log
      }
    }
  }
}

function reason(code: string, expected: string, found: unknown): Reason {
  return {
    code,
    message: `${code}: ${expected} required, found ${found}`,
    expected,
    found: String(found),
  }
}

/** The tensor as if its rows had no gaps. */
function packed(tensor: Tensor): Tensor {
  const strides = [...tensor.strides]
  for (let i = strides.length - 2; i > 0; i--) strides[i] = strides[i + 1]! * tensor.shape[i + 1]!
  if (tensor.shape.length === 3) strides[0] = strides[1]! * tensor.shape[1]!
  return { ...tensor, strides }
}

/** Prompts before decode rows, without the outputs going back to their places. */
function regroup(rows: Row[]): void {
  const order = rows
    .map((row, i) => ({ row, i }))
    .sort((a, b) => b.row.queryLength - a.row.queryLength)
  let token = 0
  for (const { row, i } of order) {
    rows[i] = { ...row, token }
    token += row.queryLength
  }
}
