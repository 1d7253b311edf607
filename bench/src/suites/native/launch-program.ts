import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/** Where the program is: in a bundle, or in the tree that the build of benches leaves. */
const folders = ['native/benches', 'native/build-cuda/benches']
const program = 'launch_cuda'

/** Makes it. */
export const buildCommand = 'npm run build:cuda -- benches'

/** Why there is no such program. */
export const notBuilt = `${program} is not built: ${buildCommand}`

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

/** Passes of a backend from C++, in microseconds. */
export interface NativePasses {
  readonly backend: string
  readonly prepareUs: readonly number[]
  readonly runUs: readonly number[]
}

/** What the program prints. */
export interface LaunchOutput {
  /** Why nothing could be measured. */
  readonly unavailable?: string
  readonly gpu?: readonly LaunchTimes[]
  readonly cpu?: readonly NativePasses[]
  readonly skipped?: readonly { readonly case: string; readonly reason: string }[]
}

/** The program's path, looked for in the folders above this file; undefined when it was not built. */
export function findLaunchProgram(): string | undefined {
  for (let at = dirname(fileURLToPath(import.meta.url)); ; at = dirname(at)) {
    const found = folders.map((folder) => join(at, folder, program)).find((one) => existsSync(one))
    if (found !== undefined || dirname(at) === at) return found
  }
}

/** Runs the program, and reads what it prints last. */
export type RunLaunchProgram = (
  file: string,
  args: readonly string[],
  options: { readonly signal: AbortSignal; readonly env?: NodeJS.ProcessEnv },
) => Promise<LaunchOutput>

/** @throws with what it said when it failed */
export const runLaunchProgram: RunLaunchProgram = async (file, args, { signal, env }) => {
  try {
    const { stdout } = await promisify(execFile)(file, args, {
      ...{ encoding: 'utf8', maxBuffer: 2 ** 28, signal },
      ...(env && { env }),
    })
    return JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}') as LaunchOutput
  } catch (error) {
    const { stderr = '' } = error as { readonly stderr?: string }
    throw stderr.trim() === '' ? error : new Error(stderr.trim())
  }
}
