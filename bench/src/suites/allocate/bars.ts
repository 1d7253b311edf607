import { atLeast } from '../../harness/index.ts'
import type { Summary } from '../../result/index.ts'
import type { SuiteContext } from '../../suite/index.ts'

/** What is required of prompts on this GPU, in bfloat16 and Llama-3-8B's shape. */
const requiredOf = {
  device: 'NVIDIA H200',
  shape: 'llama-3-8b',
  cache: 'interleaved',
  pageClasses: 'size classes',
  tokens: 16_384,
}

/** Of new pages, while the step runs. */
const leastGbPerSecond = 900

/** Judges a full run on the machine that the bar is for; elsewhere there is none. */
export function allocateBars({
  device,
  settings,
  recorder,
}: Pick<SuiteContext, 'device' | 'settings' | 'recorder'>): void {
  const { device: name, ...required } = requiredOf
  if (settings.quick || device.name !== name) return
  const found = recorder.cases.find(
    ({ parameters }) =>
      parameters.memory === 'fresh' &&
      Object.entries(required).every(([key, value]) => parameters[key] === value),
  )
  if (!found) return
  const { tokens, pageClasses } = required
  recorder.bar(
    atLeast(
      `backing ${tokens}-token prompts, ${pageClasses}`,
      found.metrics.stepGbPerSecond as Summary,
      leastGbPerSecond,
      { unit: 'GB/s' },
    ),
  )
}
