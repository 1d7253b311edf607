import { UsageError } from './usage-error.ts'

/** Variables that mean something, and what. */
const known: Readonly<Record<string, string>> = {
  VATTENTION_CACHE_DIR: 'folder of downloads',
  VATTENTION_BUNDLE_DIR: 'folder that a GPU bundle is unpacked into',
  VATTENTION_RESULTS_DIR: 'folder that benches write to',
  VATTENTION_COMMIT: 'commit that results name, set by a GPU bundle',
  VATTENTION_TEST_DEVICE: 'device of the native tests',
  VATTENTION_RUN: 'set by the workspace while its scripts run',
  VATTENTION_FUZZ_SEED: 'seed of the fuzz tests',
  VATTENTION_FUZZ_OPERATIONS: 'operations of the fuzz tests',
}

/**
 * No variable of ours is ignored: one that nothing reads is an error rather than a setting that
 * silently does nothing.
 */
export function checkEnvironment(environment: NodeJS.ProcessEnv): void {
  const unknown = Object.keys(environment).filter(
    (name) => name.startsWith('VATTENTION_') && !(name in known),
  )
  if (unknown.length === 0) return
  const lines = Object.entries(known).map(([name, meaning]) => `  ${name}: ${meaning}`)
  throw new UsageError(
    `Nothing reads the environment variable ${unknown.join(', ')}. Known are:\n${lines.join('\n')}\nUnset it, or use the command's options.`,
  )
}
