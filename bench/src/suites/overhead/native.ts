import type { SuiteContext } from '../../suite/index.ts'
import { findLaunchProgram, notBuilt, runLaunchProgram } from '../native/launch-program.ts'
import {
  findOverheadProgram,
  overheadBuildCommand,
  runOverheadProgram,
  type NativeCalls,
  type NativePasses,
  type OverheadOutput,
} from '../native/overhead-program.ts'
import type { EmptyCalls } from './measure-call.ts'
import type { Overhead } from './measure.ts'

/** The same as from JavaScript, through the backends' C tables, in a process of its own. */
export interface NativeOverhead {
  passes(context: SuiteContext, about: Overhead): Promise<readonly NativePasses[]>
  /** Of the CPU. */
  calls(context: SuiteContext, about: EmptyCalls): Promise<readonly NativeCalls[]>
}

const fromCpp = 'the same calls from C++'

/** Runs the programs of `bench/native`. What there is not is skipped, with the command that builds it. */
export const nativeOverhead: NativeOverhead = {
  async passes(context, about) {
    if (context.device.isGpu) return gpuPasses(context, about)
    const { sequences, length, passes } = about
    const { cpu } = await onCpu(context, about, [
      ...['--what', 'passes', '--sequences', String(sequences), '--length', String(length)],
      ...['--passes', String(passes)],
    ])
    return cpu
  },

  async calls(context, about) {
    const { calls, samples } = about
    const numbers = ['--calls', String(calls), '--samples', String(samples)]
    return (await onCpu(context, about, ['--what', 'calls', ...numbers])).calls
  },
}

async function gpuPasses(
  { recorder, settings, signal }: SuiteContext,
  { passes }: Overhead,
): Promise<readonly NativePasses[]> {
  const file = findLaunchProgram()
  if (file === undefined) {
    recorder.skip(fromCpp, notBuilt)
    return []
  }
  const args = ['--what', 'cpu', '--passes', String(passes), '--seed', String(settings.seed)]
  try {
    const { unavailable, skipped = [], cpu = [] } = await runLaunchProgram(file, args, { signal })
    if (unavailable) recorder.skip(fromCpp, unavailable)
    for (const one of skipped) recorder.skip(`C++: ${one.case}`, one.reason)
    return cpu
  } catch (error) {
    recorder.skip(fromCpp, signal.aborted ? 'interrupted' : error)
    return []
  }
}

const nothing: OverheadOutput = { cpu: [], calls: [], skipped: [] }

async function onCpu(
  { recorder, settings, signal }: SuiteContext,
  { shape, caches }: Pick<Overhead, 'shape' | 'caches'>,
  own: readonly string[],
): Promise<OverheadOutput> {
  // It is of the CPU's backend.
  if (settings.backends && !settings.backends.includes('cpu')) return nothing
  const file = findOverheadProgram()
  if (file === undefined) {
    recorder.skip(fromCpp, `overhead_cpu is not built: ${overheadBuildCommand}, in a clone`)
    return nothing
  }
  const { layers, queryHeads, kvHeads, headDim, dtype } = shape
  const args = [
    ...['--shape', [layers, queryHeads, kvHeads, headDim].join('/'), '--dtype', dtype],
    ...['--caches', caches.map(({ name }) => name).join(',')],
    ...['--seed', String(settings.seed), ...own],
  ]
  try {
    const output = await runOverheadProgram(file, args, { signal })
    for (const one of output.skipped) recorder.skip(`C++: ${one.case}`, one.reason)
    return output
  } catch (error) {
    recorder.skip(fromCpp, signal.aborted ? 'interrupted' : error)
    return nothing
  }
}
