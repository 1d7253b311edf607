/** Compares a pass with the float64 reference: every row of a small one, sampled rows of a big one. */
import { ConformanceFailure } from '../case.ts'
import { expect } from '../expect.ts'
import { rounding, roundFloat8Weight } from '../number-formats.ts'
import { mix, Random } from '../random.ts'
import { referenceAttention, type ReferenceInput } from '../reference-attention.ts'
import { lseBound, outputBound } from '../tolerance.ts'
import type { LayerResult, PassResult, Work } from './pass-result.ts'
import type { Scene } from './scene.ts'

/** Multiplications that the reference may spend on one layer of a pass: well below a second. */
const budget = 60e6

/** A row to check: which sequence of the batch, which of its query rows. */
interface Row {
  readonly index: number
  readonly row: number
}

/** Fails if any checked row of any layer is further off than its bound. */
export function checkPass(scene: Scene, pass: PassResult): void {
  for (const layer of pass.layers) checkLayer(scene, pass, layer)
}

function checkLayer(scene: Scene, pass: PassResult, result: LayerResult): void {
  const { output, lse, layer } = result
  const bad = output.findIndex((value) => !Number.isFinite(value))
  if (bad >= 0) {
    throw new ConformanceFailure(`${whereIs(scene, pass, layer, bad)} is ${output[bad]}`)
  }
  const { queryHeads, dtype } = scene.config
  const { valueHeadDim } = scene.cache.shape
  const round = dtype === 'float32' ? undefined : rounding[dtype]
  const roundWeight = scene.multipliesInFloat8 ? roundFloat8Weight : undefined
  let pt = 0
  const worst = { error: -1, at: 0, found: 0, expected: 0 }
  const starts = firstTokens(pass.work)
  for (const [index, rows] of groupRows(sampleRows(scene, pass.work, layer))) {
    const input = referenceInput(scene, pass, result, index, starts[index]!, rows)
    const exact = referenceAttention(input)
    const rounded = round && referenceAttention(input, round, roundWeight).output
    for (const [i, row] of rows.entries()) {
      const token = starts[index]! + row
      for (let e = 0; e < queryHeads * valueHeadDim; e++) {
        const at = token * queryHeads * valueHeadDim + e
        const expected = exact.output[i * queryHeads * valueHeadDim + e]!
        const error = Math.abs(output[at]! - expected)
        if (rounded) {
          pt = Math.max(pt, Math.abs(rounded[i * queryHeads * valueHeadDim + e]! - expected))
        }
        if (error > worst.error) Object.assign(worst, { error, at, found: output[at]!, expected })
      }
      for (let head = 0; lse && head < queryHeads; head++) {
        const found = lse[token * queryHeads + head]!
        const expected = exact.lse[i * queryHeads + head]!
        const allowed = lseBound(dtype, expected === -Infinity ? 0 : expected, scene.sumsRounded)
        expect(
          found === expected || Math.abs(found - expected) <= allowed,
          `layer ${layer}, sequence ${index}, query row ${row}, head ${head}: ` +
            `LSE is ${found}, expected ${expected} (within ${allowed})`,
        )
      }
    }
  }
  const allowed = outputBound(
    {
      dtype,
      kvDtype: scene.cache.shape.dtype,
      alibi: scene.config.alibiSlopes !== undefined,
      appended: pass.appending === 'run' || pass.appending === 'append',
    },
    pt,
  )
  if (worst.error <= allowed) return
  throw new ConformanceFailure(
    `${whereIs(scene, pass, layer, worst.at)} is ${worst.found}, expected ${worst.expected}: ` +
      `off by ${worst.error}, allowed ${allowed}`,
  )
}

function referenceInput(
  scene: Scene,
  { work }: PassResult,
  { query, layer }: LayerResult,
  index: number,
  start: number,
  rows: readonly number[],
): ReferenceInput {
  const { sequence, queryLength, kvLength } = work[index]!
  const { kvHeads, headDim, valueHeadDim } = scene.cache.shape
  const { queryHeads, scale, causal, window, softCap, alibiSlopes, sinks } = scene.config
  const width = queryHeads * headDim
  return {
    query: query.subarray(start * width, (start + queryLength) * width),
    key: sequence.keys[layer]!,
    value: sequence.values[layer]!,
    ...{ queryLength, kvLength, queryHeads, kvHeads, headDim, valueHeadDim },
    ...{ scale, causal, window, softCap, alibiSlopes, sinks, rows },
  }
}

/** The index of each sequence's first query row in the batch. */
export function firstTokens(work: readonly Work[]): number[] {
  let token = 0
  return work.map(({ queryLength }) => {
    const first = token
    token += queryLength
    return first
  })
}

/**
 * All rows where the budget allows, else: the last and first row of each sequence, the rows around
 * the edges of tiles, then random ones, as many as fit. Always at least two.
 */
function sampleRows(scene: Scene, work: readonly Required<Work>[], layer: number): Row[] {
  const { headDim, valueHeadDim } = scene.cache.shape
  const perKey = scene.config.queryHeads * (headDim + valueHeadDim)
  const visible = ({ kvLength }: Required<Work>) =>
    Math.min(kvLength, scene.config.window ?? kvLength)
  const total = work.reduce((sum, one) => sum + one.queryLength * visible(one) * perKey, 0)
  if (total <= budget) {
    return work.flatMap(({ queryLength }, index) =>
      Array.from({ length: queryLength }, (_, row) => ({ index, row })),
    )
  }
  const random = new Random(mix(layer, work.length, total % 1e9))
  const order = random.shuffle(
    work.map((_, index) => index).filter((i) => work[i]!.queryLength > 0),
  )
  const edges = [-1, 0, 63, 64, 127, 128].flatMap((row) => order.map((index) => ({ index, row })))
  const others = Array.from({ length: 1000 }, () => {
    const index = random.pick(order)
    return { index, row: random.integer(work[index]!.queryLength) }
  })
  const chosen = new Map<string, Row>()
  let spent = 0
  for (const { index, row } of [...edges, ...others]) {
    const { queryLength } = work[index]!
    const actual = row < 0 ? queryLength - 1 : row
    const key = `${index}/${actual}`
    if (actual >= queryLength || chosen.has(key)) continue
    spent += visible(work[index]!) * perKey
    if (spent > budget && chosen.size >= 2) break
    chosen.set(key, { index, row: actual })
  }
  return [...chosen.values()]
}

function groupRows(rows: readonly Row[]): Map<number, number[]> {
  const groups = new Map<number, number[]>()
  for (const { index, row } of rows) groups.set(index, [...(groups.get(index) ?? []), row])
  return groups
}

/** Names an element of the output. */
function whereIs(scene: Scene, { work }: PassResult, layer: number, at: number): string {
  const { valueHeadDim } = scene.cache.shape
  const { queryHeads } = scene.config
  const token = Math.floor(at / (queryHeads * valueHeadDim))
  const starts = firstTokens(work)
  const index = starts.findLastIndex((start, i) => start <= token && work[i]!.queryLength > 0)
  const { queryLength, kvLength } = work[index]!
  const head = Math.floor(at / valueHeadDim) % queryHeads
  return (
    `layer ${layer}, sequence ${index} (${queryLength} of ${kvLength} tokens), ` +
    `query row ${token - starts[index]!}, head ${head}, dim ${at % valueHeadDim}: output`
  )
}
