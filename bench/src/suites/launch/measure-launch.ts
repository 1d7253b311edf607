import { deviceIndex } from '@vattention/interface'

import type { SuiteContext } from '../../suite/index.ts'
import type { LaunchOutput, RunLaunchProgram } from '../native/launch-program.ts'
import { recordLaunch } from './record.ts'

/** One run of the program. */
export interface LaunchRun {
  /** The cell's. */
  readonly name: string
  /** A part of the names of what it measures: backend and task. */
  readonly only: string
  /** Backends and tasks that it measures at most. */
  readonly cases: number
  readonly rounds: number
}

/** Runs the program once, and records what it found. What failed is told with its reason. */
export async function measureLaunch(
  context: SuiteContext,
  file: string,
  run: RunLaunchProgram,
  { name, only, cases, rounds }: LaunchRun,
  budgetMs: number,
): Promise<void> {
  const { recorder, settings, signal } = context
  // Half of the time is for filling and comparing.
  const caseSeconds = budgetMs / 1000 / cases / 2
  const args = [
    ...['--what', 'gpu', '--only', only, '--rounds', String(rounds)],
    ...['--budget', String(caseSeconds), '--seed', String(settings.seed)],
  ]
  let found: LaunchOutput
  try {
    found = await run(file, args, { signal, ...visibleDevice(context) })
  } catch (error) {
    recorder.skip(name, signal.aborted ? 'interrupted' : error)
    return
  }
  const { unavailable, gpu = [], skipped = [] } = found
  for (const one of skipped) recorder.skip(one.case, one.reason)
  for (const one of gpu) recordLaunch(context, one)
  if (gpu.length === 0 && skipped.length === 0) {
    recorder.skip(name, unavailable ?? 'the program was built without it')
  }
}

/** The program takes the first GPU that it sees. */
function visibleDevice({ device }: SuiteContext): { env?: NodeJS.ProcessEnv } {
  const { uuid } = device.info ?? {}
  if (uuid === undefined || deviceIndex(device.device) === 0) return {}
  return { env: { ...process.env, CUDA_VISIBLE_DEVICES: uuid } }
}
