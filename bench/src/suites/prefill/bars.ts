import { atLeast, median, summarize } from '../../harness/index.ts'
import type { MeasuredCase, Summary } from '../../result/index.ts'
import type { SuiteContext } from '../../suite/index.ts'
import { tokensLabel } from '../attention/cache-label.ts'

/** What is required of prompts on this GPU, in bfloat16 and Llama-3-8B's shape. */
const requiredOf = { device: 'NVIDIA H200', shape: 'llama-3-8b', fromTokens: 8192, to: 131_072 }

const ours = 'fa3 interleaved'

/** TFLOP/s of FlashAttention-3 over the contiguous cache. */
const rates = { burst: 690, sustained: 600 }

/** Speeds over others: at each length, and in the median of the lengths. */
const ratios: readonly {
  readonly of: string
  readonly over: string
  readonly bar: number
  readonly fromTokens?: number
  readonly medianBar?: number
}[] = [
  { of: ours, over: 'fa3 paged 16', bar: 1, medianBar: 1.08 },
  { of: ours, over: 'fa2 paged 256', bar: 1.8 },
  { of: ours, over: 'flashinfer paged 16', bar: 1.6 },
  { of: 'fa2 interleaved', over: 'fa2 paged 256', bar: 1.15, fromTokens: 16_384 },
]

const summary = (one: MeasuredCase, metric: string) => one.metrics[metric] as Summary | undefined

/** Judges a full run on the machine that the bars are for; elsewhere there are none. */
export function prefillBars({ device, settings, recorder, random }: SuiteContext): void {
  if (settings.quick || device.name !== requiredOf.device) return
  const cases = recorder.cases.filter(({ parameters: { shape, tokens } }) => {
    const length = Number(tokens)
    const inRange = length >= requiredOf.fromTokens && length <= requiredOf.to
    return shape === requiredOf.shape && inRange
  })
  const at = (one: MeasuredCase) => tokensLabel(Number(one.parameters.tokens))
  for (const one of cases) {
    const { phase, backend, cache } = one.parameters
    const bar = rates[phase as keyof typeof rates] as number | undefined
    if (bar === undefined || `${String(backend)} ${String(cache)}` !== ours) continue
    const name = `${ours}, ${at(one)}, ${String(phase)}`
    recorder.bar(atLeast(name, summary(one, 'tflops'), bar, { unit: 'TFLOP/s' }))
  }
  for (const { of, over, bar, fromTokens = 0, medianBar } of ratios) {
    const found = cases.filter(
      ({ parameters, metrics }) =>
        parameters.of === of && parameters.over === over && 'speedRatio' in metrics,
    )
    for (const one of found) {
      if (Number(one.parameters.tokens) < fromTokens) continue
      recorder.bar(atLeast(`${of} / ${over}, ${at(one)}`, summary(one, 'speedRatio'), bar))
    }
    const medians = found.map((one) => summary(one, 'speedRatio')?.median ?? NaN)
    if (medianBar === undefined || medians.length === 0) continue
    const more = { note: 'median of the lengths', spread: summarize(medians, random) }
    recorder.bar(
      atLeast(`${of} / ${over}, median of the lengths`, median(medians), medianBar, more),
    )
  }
}
