import { atMost } from '../../harness/index.ts'
import type { Summary } from '../../result/index.ts'
import type { SuiteContext } from '../../suite/index.ts'

/** What is required of attention beside the mapper on this GPU, in bfloat16 and Llama-3-8B's shape. */
const requiredOf = { device: 'NVIDIA H200', shape: 'llama-3-8b' }

/** Of the upper bound of the time with mapping over that without. */
const mostTimeRatio = 1.02

/** Judges a full run on the machine that the bars are for; elsewhere there are none. */
export function overlapBars({
  device,
  settings,
  recorder,
}: Pick<SuiteContext, 'device' | 'settings' | 'recorder'>): void {
  if (settings.quick || device.name !== requiredOf.device) return
  for (const { name, parameters, metrics } of recorder.cases) {
    if (parameters.shape !== requiredOf.shape || parameters.mapping === 'none') continue
    const { high } = metrics.timeRatio as Summary
    const rate = (key: string) => (metrics[key] as Summary).median ?? 0
    const [mapped, unmapped] = [rate('mappedGbPerSecond'), rate('unmappedGbPerSecond')]
    const note = `${mapped.toFixed(1)} GB/s mapped, ${unmapped.toFixed(1)} unmapped`
    // Beside a mapper that mapped nothing, nothing was measured.
    const value = mapped > 0 ? high : null
    recorder.bar(atMost(`${name}: time, upper bound`, value, mostTimeRatio, { note }))
  }
}
