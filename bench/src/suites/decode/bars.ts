import { atLeast } from '../../harness/index.ts'
import type { MeasuredCase, Summary } from '../../result/index.ts'
import type { SuiteContext } from '../../suite/index.ts'
import { batchLabel } from '../attention/batch-values.ts'

/** What is required of batches on this GPU, in bfloat16 and Llama-3-8B's shape. */
const requiredOf = { device: 'NVIDIA H200', shape: 'llama-3-8b' }

/** TB/s of the best contiguous backend. */
const rates: Readonly<Record<string, number>> = { '16 x 16K': 4.1, '32 x 16K': 4.3, '64 x 4K': 4 }

/** The best contiguous over the best paged one, and over PagedAttention at its best block size. */
const overPaged = 0.97
const overReference = 3
const interleavedOverSplit = 0.94

const rateOf = (one: MeasuredCase) => one.metrics.gbPerSecond as Summary | undefined

/** The fastest of some cases. */
const best = (cases: readonly MeasuredCase[]) =>
  cases.reduce<MeasuredCase | undefined>((found, one) => {
    const value = rateOf(one)?.median ?? -Infinity
    return value > ((found && rateOf(found)?.median) ?? -Infinity) ? one : found
  }, undefined)

/** Judges a full run on the machine that the bars are for; elsewhere there are none. */
export function decodeBars({ device, settings, recorder }: SuiteContext): void {
  if (settings.quick || device.name !== requiredOf.device) return
  const cases = recorder.cases.filter(({ parameters }) => parameters.shape === requiredOf.shape)
  const label = ({ parameters }: MeasuredCase) =>
    batchLabel({ sequences: Number(parameters.sequences), tokens: Number(parameters.tokens) })
  for (const [where, bar] of Object.entries(rates)) {
    const batch = cases.filter((one) => label(one) === where)
    const subjects = batch.filter(rateOf)
    const contiguous = best(
      subjects.filter(({ parameters }) => /^(split|interleaved)/.test(String(parameters.cache))),
    )
    if (!contiguous) continue
    const nameOf = ({ parameters }: MeasuredCase) =>
      `${String(parameters.backend)} ${String(parameters.cache)}`
    const { median, low, high } = rateOf(contiguous)!
    const tera = (value: number | null) => (value === null ? null : value / 1000)
    recorder.bar(
      atLeast(
        `${where}: best contiguous (${nameOf(contiguous)})`,
        { median: tera(median), low: tera(low), high: tera(high) },
        bar,
        { unit: 'TB/s' },
      ),
    )
    const against = (what: string, others: readonly MeasuredCase[], least: number) => {
      const other = best(others)
      const above = rateOf(contiguous)?.median
      const below = other && rateOf(other)?.median
      if (!other || !above || !below) return
      const name = `${where}: ${nameOf(contiguous)} / ${nameOf(other)}`
      recorder.bar(atLeast(name, above / below, least, { note: `ratio of medians, ${what}` }))
    }
    const reference = ({ parameters }: MeasuredCase) => parameters.backend === 'paged-attention'
    const paged = subjects.filter(
      (one) => !reference(one) && String(one.parameters.cache).startsWith('paged '),
    )
    against('best paged', paged, overPaged)
    against('PagedAttention at its best', subjects.filter(reference), overReference)
    for (const one of batch) {
      const { of, over } = one.parameters
      const layouts = / interleaved$/.test(String(of)) && / split$/.test(String(over))
      if (!layouts) continue
      const measured = one.metrics.speedRatio as Summary | undefined
      recorder.bar(atLeast(one.name, measured, interleavedOverSplit))
    }
  }
}
