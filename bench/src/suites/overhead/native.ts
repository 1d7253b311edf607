import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import type { SuiteContext } from '../../suite/index.ts'

/** Where the program is: in a bundle, or in the tree that the build of benches leaves. */
const folders = ['native/benches', 'native/build-cuda/benches']
const program = 'launch_cuda'
const build = 'npm run build:cuda -- benches'

/** Passes of a backend from C++, in microseconds. */
export interface NativePasses {
  readonly backend: string
  readonly prepareUs: readonly number[]
  readonly runUs: readonly number[]
}

/** The program's path, looked for in the folders above this file; undefined when it was not built. */
function find(): string | undefined {
  for (let at = dirname(fileURLToPath(import.meta.url)); ; at = dirname(at)) {
    const found = folders.map((folder) => join(at, folder, program)).find((one) => existsSync(one))
    if (found !== undefined || dirname(at) === at) return found
  }
}

/**
 * The same passes from C++ through the backends' tables, in a process of its own. What there is not is
 * skipped, with the command that builds it.
 */
export function fromNative(
  { device, recorder, settings }: SuiteContext,
  passes: number,
): NativePasses[] {
  const name = 'the same calls from C++'
  if (!device.isGpu) {
    recorder.skip(name, `they are built for GPUs: ${build}`)
    return []
  }
  const file = find()
  if (file === undefined) {
    recorder.skip(name, `${program} is not built: ${build}`)
    return []
  }
  const args = ['--what', 'cpu', '--passes', String(passes), '--seed', String(settings.seed)]
  const { status, signal, stdout, stderr } = spawnSync(file, args, {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  })
  if (status !== 0) {
    recorder.skip(name, stderr.trim() || signal || `exit code ${status}`)
    return []
  }
  const found = JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}') as {
    readonly unavailable?: string
    readonly cpu?: NativePasses[]
    readonly skipped?: readonly { readonly case: string; readonly reason: string }[]
  }
  if (found.unavailable) recorder.skip(name, found.unavailable)
  for (const one of found.skipped ?? []) recorder.skip(`C++: ${one.case}`, one.reason)
  return found.cpu ?? []
}
