import { read } from '@vattention/core'
import {
  slice,
  type AttentionBackend,
  type AttentionPlan,
  type Tensor,
} from '@vattention/interface'

import { passTokens, type AttentionPass } from './attention-pass.ts'
import { refusal } from './backends.ts'
import type { BenchDevice } from './bench-device.ts'
import type { FilledCache } from './filled-cache.ts'
import { attentionRow } from './noise.ts'
import type { QueryRows } from './query-rows.ts'
import type { Timed } from './timing.ts'

/** A backend has computed something else than attention: it is refused, not timed. */
export class WrongResult extends Error {
  override readonly name = 'WrongResult'
}

// Errors of outputs in 16-bit floats, as a part of the row's largest number and beyond.
const mostError = 0.02
const leastError = 1e-4

/** What a subject is made of. */
export interface SubjectOptions {
  readonly device: BenchDevice
  readonly backend: AttentionBackend
  readonly filled: FilledCache
  readonly rows: QueryRows
  /** Rows of the largest pass. */
  readonly maxTokens: number
  /** For a plan that is captured: every sequence has one new token. Defaults to `false`. */
  readonly graph?: boolean
}

/** One kernel over one cache: what is measured against others. */
export class Subject implements Timed, Disposable {
  readonly filled: FilledCache
  readonly #device: BenchDevice
  readonly #rows: QueryRows
  readonly #plan: AttentionPlan
  #pass: AttentionPass = { queryLengths: [], kvLengths: [] }
  #tensors: { query: Tensor; output: Tensor } | undefined

  /** @throws with all reasons when the backend does not serve the cache */
  constructor({ device, backend, filled, rows, maxTokens, graph = false }: SubjectOptions) {
    const { cache, sequences, length, shape } = filled
    const config = { cache, queryHeads: shape.queryHeads, dtype: shape.dtype }
    const refused = refusal(backend, config)
    if (refused !== undefined) throw new Error(refused)
    this.filled = filled
    this.#device = device
    this.#rows = rows
    this.#plan = backend.createPlan(config, {
      maxSequences: sequences,
      maxTokens,
      maxLength: length,
      ...(graph && { graph: { sequences, maxLength: length } }),
    })
  }

  /** Memory of the plan for partial results and schedules. */
  get workspaceBytes(): number {
    return this.#plan.workspaceBytes
  }

  /** Lays out a pass over the first sequences of the cache. */
  prepare(pass: AttentionPass): void {
    const { cache, handles } = this.filled
    this.#pass = pass
    this.#tensors = this.#rows.of(passTokens(pass))
    this.#plan.prepare({
      cache,
      sequences: handles.slice(0, pass.queryLengths.length),
      queryLengths: Uint32Array.from(pass.queryLengths),
      kvLengths: Uint32Array.from(pass.kvLengths),
      ...(this.#device.stream && { stream: this.#device.stream }),
    })
  }

  run(layer: number): void {
    const { query, output } = this.#tensors!
    this.#plan.run({ layer, query, output })
  }

  /**
   * Runs a layer and compares rows of it with the oracle: see `compare`.
   *
   * @param options `layer` defaults to `0`, `thorough` to `true`.
   * @throws WrongResult
   */
  async check({ layer = 0, thorough = true } = {}): Promise<number> {
    this.run(layer)
    await this.#device.synchronize()
    return this.compare({ layer, thorough })
  }

  /**
   * Compares rows of what a layer has left in the output with the oracle, which is slow.
   *
   * @param options `thorough`: first, middle and last rows of two heads, else the last row of one.
   * @returns the largest error, as a part of the row's largest number
   * @throws WrongResult when it is too large
   */
  compare({ layer, thorough }: { readonly layer: number; readonly thorough: boolean }): number {
    const { queryLengths } = this.#pass
    const first: number[] = []
    queryLengths.reduce((at, length, i) => ((first[i] = at), at + length), 0)
    const last = queryLengths.length - 1
    const { queryHeads } = this.filled.shape
    let worst = 0
    for (const sequence of new Set([0, Math.floor(last / 2), last])) {
      const query = queryLengths[sequence]!
      if (query === 0) continue
      const rows = thorough ? [0, Math.floor(query / 2), query - 1] : [query - 1]
      for (const row of new Set(rows)) {
        const found = read(
          slice(this.#tensors!.output, first[sequence]! + row, first[sequence]! + row + 1),
        )
        for (const head of thorough ? new Set([0, queryHeads - 1]) : [queryHeads - 1]) {
          const at = { layer, sequence, row, head, queryRow: first[sequence]! + row }
          worst = Math.max(worst, this.#errorOf(found, at))
        }
      }
    }
    return worst
  }

  /** The largest error of one head of one row. */
  #errorOf(
    found: ArrayLike<number>,
    at: { layer: number; sequence: number; row: number; head: number; queryRow: number },
  ): number {
    const { layer, sequence, row, head, queryRow } = at
    const { filled } = this
    const { queryHeads, kvHeads, headDim } = filled.shape
    const kvHead = Math.floor(head / (queryHeads / kvHeads))
    const of = (kind: 0 | 1) => (token: number) =>
      filled.noise.head(filled.noiseRow(layer, kind, sequence, token), kvHead)
    const { noise } = this.#rows
    const seen = this.#pass.kvLengths[sequence]! - this.#pass.queryLengths[sequence]! + row + 1
    const expected = attentionRow(noise.head(queryRow % noise.rows, head), seen, of(0), of(1))
    const scale = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
    let worst = 0
    for (const [i, value] of expected.entries()) {
      const got = found[head * headDim + i]!
      const error = Math.abs(got - value)
      // NaN too.
      if (!(error <= mostError * scale + leastError)) {
        throw new WrongResult(
          `sequence ${sequence}, row ${row}, head ${head}: ${got} instead of ${value}`,
        )
      }
      worst = Math.max(worst, error / scale)
    }
    return worst
  }

  [Symbol.dispose](): void {
    this.#plan[Symbol.dispose]()
  }
}
