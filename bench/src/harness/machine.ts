// What a result was measured on and with: the parts of its envelope that a machine knows.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { cpus, loadavg, release, totalmem } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import type { Result } from '../result/index.ts'
import type { BenchDevice } from './bench-device.ts'
import { askSmi, smiNumber, type GpuClocks } from './nvidia-smi.ts'

const here = dirname(fileURLToPath(import.meta.url))
const require = createRequire(import.meta.url)

function git(folder: string, ...args: string[]): string | undefined {
  try {
    return execFileSync('git', args, {
      cwd: folder,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim()
  } catch {
    return undefined
  }
}

/** The root of the clone that this runs from; undefined when it was installed. */
function cloneRoot(): string | undefined {
  const root = git(here, 'rev-parse', '--show-toplevel')
  if (root === undefined) return undefined
  try {
    const { name } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      name?: string
    }
    return name === 'vattention-workspace' ? root : undefined
  } catch {
    return undefined
  }
}

/**
 * The commit that is measured: of this clone; what `VATTENTION_COMMIT` says (a bundle's command sets
 * it, with `-dirty` when the tree had changes); else `unknown`.
 */
export function commit(): Pick<Result, 'commit' | 'dirty'> {
  const told = process.env.VATTENTION_COMMIT
  if (told) return { commit: told.replace(/-dirty$/, ''), dirty: told.endsWith('-dirty') }
  const root = cloneRoot()
  const found = root && git(root, 'rev-parse', '--short', 'HEAD')
  if (!found) return { commit: 'unknown', dirty: null }
  return { commit: found, dirty: git(root, 'status', '--porcelain') !== '' }
}

/** Instruction sets that attention on a CPU runs at different speeds with, as Linux names them. */
const instructionSets = ['avx2', 'avx512f', 'avx512_bf16', 'amx_bf16', 'asimd', 'sve', 'bf16']

function instructionSetsHere(): string[] {
  try {
    const [, flags = ''] = /^(?:flags|Features)\s*:(.*)$/m.exec(
      readFileSync('/proc/cpuinfo', 'utf8'),
    )!
    const found = new Set(flags.trim().split(/\s+/))
    return instructionSets.filter((one) => found.has(one))
  } catch {
    return []
  }
}

/** The machine. */
export function describeHost(): Result['host'] {
  const all = cpus()
  return {
    cpu: all[0]?.model ?? 'unknown',
    cores: Math.max(1, all.length),
    memoryBytes: totalmem(),
    os: `${process.platform} ${release()}`,
    node: process.version,
    loadAverage: loadavg(),
    isa: instructionSetsHere(),
  }
}

/**
 * The GPU, as results name it; null on the CPU.
 *
 * @param clocks Before and after what was measured: of `clocks`.
 */
export function describeDevice(
  { info, driverVersion }: BenchDevice,
  clocks: { readonly before?: GpuClocks | undefined; readonly after?: GpuClocks | undefined } = {},
): Result['device'] {
  if (!info) return null
  const { name, uuid, computeCapability, totalBytes } = info
  const line = askSmi(uuid, ['driver_version', 'clocks.max.sm', 'power.limit'])
  const [driver = '', maxClock, powerLimit] = (line ?? '').split(',')
  return {
    name,
    computeCapability,
    memoryBytes: totalBytes,
    driver: driver.trim() || null,
    cuda: driverVersion ?? null,
    maxSmClockMhz: smiNumber(maxClock),
    powerLimitW: smiNumber(powerLimit),
    clocksBefore: clocks.before ?? null,
    clocksAfter: clocks.after ?? null,
  }
}

const packages = [
  '@vattention/core',
  '@vattention/cpu',
  '@vattention/engine',
  '@vattention/flash-attention-2',
  '@vattention/flash-attention-3',
  '@vattention/flashinfer',
  '@vattention/paged-attention',
]

/** Upstream's releases, as the packages are built from them (native/cmake). */
const upstream = {
  'flash-attention-2': 'FlashAttention 2.8.3 (sdist xformers 0.0.34)',
  'flash-attention-3': 'FlashAttention 3.0.0.b1 (sdist xformers 0.0.34)',
  flashinfer: 'FlashInfer 0.7.2.post1',
  'paged-attention': 'vLLM 0.10.2',
}

/** Version of an installed package; null when it is not there. */
export function packageVersion(name: string): string | null {
  try {
    return (require(`${name}/package.json`) as { version: string }).version
  } catch {
    return null
  }
}

/** Versions of what is measured. */
export function libraries(): Result['libraries'] {
  const versions = Object.fromEntries(packages.map((name) => [name, packageVersion(name)]))
  return Object.assign(versions, { upstream }) as Result['libraries']
}
