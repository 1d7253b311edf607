import { findProgram, runProgram, type ProgramOptions } from './program.ts'

/** Passes of a backend from C++, in microseconds. */
export interface NativePasses {
  readonly backend: string
  /** By name; absent: the one that the backend is best at. */
  readonly cache?: string
  readonly prepareUs: readonly number[]
  readonly runUs: readonly number[]
}

/** Calls of `plan_run` from C++ that have nothing to compute. */
export interface NativeCalls {
  readonly backend: string
  readonly cache: string
  readonly sequences: number
  /** Of one call: a number for each sample. */
  readonly callUs: readonly number[]
}

/** What the CPU's program prints. */
export interface OverheadOutput {
  readonly cpu: readonly NativePasses[]
  readonly calls: readonly NativeCalls[]
  readonly skipped: readonly { readonly case: string; readonly reason: string }[]
}

/** Why there is no such program. */
export const overheadNotBuilt = 'overhead_cpu is not built: npm run build:native, in a clone'

export const findOverheadProgram = (): string | undefined =>
  findProgram('overhead_cpu', ['native/build/benches'])

/** @throws with what it said when it failed */
export const runOverheadProgram = async (
  file: string,
  args: readonly string[],
  options: ProgramOptions,
): Promise<OverheadOutput> => (await runProgram(file, args, options)) as OverheadOutput
