import { spawnSync } from 'node:child_process'

/** Why `python` has no PyTorch, in words; undefined when it has. */
export function whyNoTorch(python: string): string | undefined {
  const { error, status, signal, stderr } = spawnSync(python, ['-c', 'import torch'], {
    encoding: 'utf8',
  })
  if (error) return `${python} cannot be started: ${error.message}`
  if (status === 0) return undefined
  const last = stderr.trim().split('\n').at(-1)
  return `${python} cannot import torch: ${last || `it ended by ${signal ?? `status ${status}`}`}`
}

/** What to do about it. */
export const howToInstall =
  'Install PyTorch (pip install torch, in a virtual environment), or name the Python that has it: --python <path>.'
