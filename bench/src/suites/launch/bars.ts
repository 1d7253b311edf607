import { atLeast } from '../../harness/index.ts'
import type { Summary } from '../../result/index.ts'
import type { SuiteContext } from '../../suite/index.ts'
import { allocation, launchTasks, raw } from './tasks.ts'

/** The GPU that the bars are for. */
const requiredDevice = 'NVIDIA H200'

/** Of our launches over upstream's own. */
const overRaw = 0.99
/** Of mapped pages over one allocation. */
const overAllocation = { prefill: 0.99, decode: 0.97 }

/** Judges a full run on the machine that the bars are for; elsewhere there are none. */
export function launchBars({
  device,
  settings,
  recorder,
}: Pick<SuiteContext, 'device' | 'settings' | 'recorder'>): void {
  if (settings.quick || device.name !== requiredDevice) return
  for (const { name, parameters, metrics } of recorder.cases) {
    const task = launchTasks.find((one) => one.name === parameters.task)
    const { over } = parameters
    const bar =
      over === raw ? overRaw : over === allocation && task ? overAllocation[task.kind] : undefined
    if (bar !== undefined) recorder.bar(atLeast(name, metrics.speedRatio as Summary, bar))
  }
}
