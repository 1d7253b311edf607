import type { NativePasses } from './overhead-program.ts'
import { findProgram, runProgram, type ProgramOptions } from './program.ts'

/** Where the program is: in a bundle, or in the tree that the build of benches leaves. */
const folders = ['native/benches', 'native/build-cuda/benches']
const program = 'launch_cuda'

/** Why there is no such program. */
export const notBuilt = `${program} is not built: npm run build:cuda -- benches`

/** What the program measured of one backend at one task. */
export interface LaunchTimes {
  /** The task: `decode 16x16K`. */
  readonly case: string
  /** `flash-attention-3` */
  readonly backend: string
  /** Upstream's name of the kernel. */
  readonly kernel: string
  readonly layers: number
  /** Of a sample. */
  readonly launches: number
  /** Between the subjects' results, as a part of 1 + the number. */
  readonly maxDifference: number | null
  readonly sameBits: boolean
  /** Of a sample's launches together, by subject: `raw`, and ours over each place of the keys. */
  readonly milliseconds: Readonly<Record<string, readonly number[]>>
}

/** What the program prints. */
export interface LaunchOutput {
  /** Why nothing could be measured. */
  readonly unavailable?: string
  readonly gpu?: readonly LaunchTimes[]
  readonly cpu?: readonly NativePasses[]
  readonly skipped?: readonly { readonly case: string; readonly reason: string }[]
}

export const findLaunchProgram = (): string | undefined => findProgram(program, folders)

/** Runs the program, and reads what it prints last. */
export type RunLaunchProgram = (
  file: string,
  args: readonly string[],
  options: ProgramOptions,
) => Promise<LaunchOutput>

/** @throws with what it said when it failed */
export const runLaunchProgram: RunLaunchProgram = async (file, args, options) =>
  (await runProgram(file, args, options)) as LaunchOutput
