/**
 * One forward pass over sequences of a scene: makes the inputs, runs every layer, reads the results
 * and compares them with the float64 reference.
 */
import type { Stream, Tensor } from '@vattention/interface'

import { expect } from '../expect.ts'
import { readValues } from '../memory.ts'
import { checkPass } from './check-pass.ts'
import { makeOperand, type Operand, type Placement } from './operand.ts'
import type { Appending, LayerResult, PassResult, Work } from './pass-result.ts'
import type { Scene } from './scene.ts'
import type { RowKind } from './tracked.ts'

/** How to do a pass. */
export interface PassOptions {
  /** Defaults to `'run'` where the backend can append, else `'written'`. */
  readonly appending?: Appending
  /** Defaults to `'dense'`. */
  readonly placement?: Placement
  /** Defaults to the configuration's `needsLse`. */
  readonly lse?: boolean
  /** Layers to run. Defaults to all. */
  readonly layers?: readonly number[]
  /** Whether to compare with the reference. Defaults to `true`. */
  readonly check?: boolean
  /** Uses `runAsync`. Defaults to `false`. */
  readonly async?: boolean
}

/** Prepares, runs, reads and checks. */
export async function doPass(
  scene: Scene,
  work: readonly Work[],
  options: PassOptions = {},
): Promise<PassResult> {
  const appending = options.appending ?? (scene.backend.capabilities.append ? 'run' : 'written')
  const adding = appending !== 'none'
  const full = work.map(({ sequence, queryLength, kvLength }) => ({
    sequence,
    queryLength,
    kvLength: kvLength ?? sequence.length + (adding ? queryLength : 0),
  }))
  backUp(scene, full)
  prepare(scene, full)
  const layers: LayerResult[] = []
  for (const layer of options.layers ?? Array.from({ length: scene.layers }, (_, i) => i)) {
    layers.push(await runLayer(scene, full, layer, appending, options))
  }
  if (adding) {
    for (const { sequence, kvLength } of full) sequence.length = Math.max(sequence.length, kvLength)
  }
  const result = { work: full, appending, layers }
  if (options.check ?? true) checkPass(scene, result)
  return result
}

/** Tells the plan what the pass is, on a stream of the caller's or the default one. */
export function prepare(scene: Scene, work: readonly Required<Work>[], stream?: Stream): void {
  scene.plan.prepare({
    cache: scene.cache,
    ...(stream && { stream }),
    sequences: Uint32Array.from(work, ({ sequence }) => sequence.handle),
    queryLengths: Uint32Array.from(work, ({ queryLength }) => queryLength),
    kvLengths: Uint32Array.from(work, ({ kvLength }) => kvLength),
  })
}

/** Backs what the pass will hold. */
export function backUp(scene: Scene, work: readonly Required<Work>[]): void {
  const growing = work.filter(
    ({ sequence, kvLength }) => kvLength > scene.cache.backedLength(sequence.handle),
  )
  if (growing.length === 0) return
  scene.step(
    growing.map(({ sequence }) => sequence),
    growing.map(({ kvLength }) => kvLength),
  )
}

async function runLayer(
  scene: Scene,
  work: readonly Required<Work>[],
  layer: number,
  appending: Appending,
  options: PassOptions,
): Promise<LayerResult> {
  const { memory, config, plan } = scene
  const { kvHeads, headDim, valueHeadDim } = scene.cache.shape
  const { dtype, queryHeads } = config
  const placement = options.placement ?? 'dense'
  const tokens = work.reduce((sum, { queryLength }) => sum + queryLength, 0)
  const inputs = { query: rowsOf(scene, work, 'query', layer) } as Record<RowKind, Float32Array>
  const input = (kind: RowKind, heads: number, dim: number): Operand => {
    inputs[kind] ??= rowsOf(scene, work, kind, layer)
    return makeOperand(memory, placement, dtype, [tokens, heads, dim], inputs[kind])
  }

  const query = input('query', queryHeads, headDim)
  const output = makeOperand(memory, placement, dtype, [tokens, queryHeads, valueHeadDim])
  const lse =
    (options.lse ?? config.needsLse)
      ? makeOperand(memory, placement, 'float32', [tokens, queryHeads])
      : undefined
  const operands = [query, output, ...(lse ? [lse] : [])]
  let given: { key: Tensor; value: Tensor } | undefined
  if (appending !== 'none') {
    const key = input('key', kvHeads, headDim)
    const value = input('value', kvHeads, valueHeadDim)
    given = { key: key.tensor, value: value.tensor }
    operands.push(key, value)
    noteAppended(scene, work, layer, inputs, appending === 'written')
    if (appending === 'append') plan.append({ layer, ...given })
  }
  const args = {
    layer,
    query: query.tensor,
    output: output.tensor,
    ...(lse && { lse: lse.tensor }),
    ...(appending === 'run' && given),
  }
  if (options.async) await plan.runAsync(args)
  else plan.run(args)

  const result = {
    layer,
    query: inputs.query,
    output: readValues(memory, output.tensor),
    lse: lse && readValues(memory, lse.tensor),
  }
  for (const operand of operands) operand.expectGapsUntouched()
  return result
}

/** The rows of one kind of all sequences, concatenated in the batch's order. */
export function rowsOf(
  scene: Scene,
  work: readonly Required<Work>[],
  kind: RowKind,
  layer: number,
): Float32Array {
  const parts = work.map(({ sequence, queryLength, kvLength }) =>
    // A sequence of length 0 has no positions; its rows are made up all the same.
    scene.makeRows(sequence, kind, layer, Math.max(0, kvLength - queryLength), queryLength),
  )
  const rows = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    rows.set(part, at)
    at += part.length
  }
  return rows
}

/** Notes what the cache will hold, and writes it where that is the caller's business. */
export function noteAppended(
  scene: Scene,
  work: readonly Required<Work>[],
  layer: number,
  inputs: Record<RowKind, Float32Array>,
  write: boolean,
): void {
  for (const kind of ['key', 'value'] as const) {
    const width = scene.rows.width(kind)
    let token = 0
    for (const { sequence, queryLength, kvLength } of work) {
      const rows = inputs[kind].slice(token * width, (token + queryLength) * width)
      token += queryLength
      if (kvLength === 0 || queryLength === 0) continue
      const from = kvLength - queryLength
      expect(from <= sequence.length, 'a pass of the kit would leave a gap in a sequence')
      scene.noteRows(sequence, kind, layer, from, rows)
      if (write) scene.storeRows(sequence, kind, layer, from, rows)
    }
  }
}
