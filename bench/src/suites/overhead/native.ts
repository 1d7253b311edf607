import type { SuiteContext } from '../../suite/index.ts'
import {
  buildCommand,
  findLaunchProgram,
  notBuilt,
  runLaunchProgram,
  type NativePasses,
} from '../native/launch-program.ts'

/**
 * The same passes from C++ through the backends' tables, in a process of its own. What there is not is
 * skipped, with the command that builds it.
 */
export async function fromNative(
  { device, recorder, settings, signal }: SuiteContext,
  passes: number,
): Promise<readonly NativePasses[]> {
  const name = 'the same calls from C++'
  if (!device.isGpu) {
    recorder.skip(name, `they are built for GPUs: ${buildCommand}`)
    return []
  }
  const file = findLaunchProgram()
  if (file === undefined) {
    recorder.skip(name, notBuilt)
    return []
  }
  const args = ['--what', 'cpu', '--passes', String(passes), '--seed', String(settings.seed)]
  try {
    const { unavailable, skipped = [], cpu = [] } = await runLaunchProgram(file, args, { signal })
    if (unavailable) recorder.skip(name, unavailable)
    for (const one of skipped) recorder.skip(`C++: ${one.case}`, one.reason)
    return cpu
  } catch (error) {
    recorder.skip(name, signal.aborted ? 'interrupted' : error)
    return []
  }
}
