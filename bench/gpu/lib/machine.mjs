// What a result was measured on and with.
import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus, loadavg, release, totalmem } from 'node:os'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../../..', import.meta.url))

function git(...args) {
  try {
    return execFileSync('git', args, { cwd: root, stdio: ['ignore', 'pipe', 'ignore'] })
      .toString()
      .trim()
  } catch {
    return undefined
  }
}

/** The commit that is measured: a bundle is told by its run.sh, marked when the tree had changes. */
export function commit() {
  const told = process.env.VATTENTION_COMMIT
  if (told) return { commit: told.replace(/-dirty$/, ''), dirty: told.endsWith('-dirty') }
  const found = git('rev-parse', '--short', 'HEAD')
  if (!found) return { commit: 'unknown', dirty: null }
  return { commit: found, dirty: git('status', '--porcelain') !== '' }
}

export function host() {
  const all = cpus()
  return {
    cpu: all[0]?.model ?? 'unknown',
    cores: all.length,
    memoryBytes: totalmem(),
    os: `${process.platform} ${release()}`,
    node: process.version,
    loadAverage: loadavg(),
  }
}

/** Fields of nvidia-smi, and what they are called in results. */
export const smiFields = {
  'clocks.sm': 'smClockMhz',
  'clocks.mem': 'memoryClockMhz',
  'power.draw.instant': 'powerW',
  'temperature.gpu': 'temperatureC',
  'clocks_event_reasons.active': 'throttleReasons',
}

/** One line of nvidia-smi's CSV as numbers; what it does not know is null. */
export function parseSmi(line, fields = Object.values(smiFields)) {
  const values = line.split(',').map((value) => value.trim())
  return Object.fromEntries(
    fields.map((name, i) => {
      const text = values[i] ?? ''
      if (name === 'throttleReasons') return [name, /^0x/.test(text) ? text : null]
      const value = Number(text)
      return [name, text === '' || Number.isNaN(value) ? null : value]
    }),
  )
}

function smi(uuid, fields) {
  const args = [`--query-gpu=${fields.join(',')}`, '--format=csv,noheader,nounits']
  const { status, stdout } = spawnSync('nvidia-smi', [...args, `--id=${uuid}`], {
    encoding: 'utf8',
  })
  return status === 0 ? stdout.trim() : undefined
}

/** Clocks, power and why they are what they are, now; undefined without nvidia-smi. */
export function clocks(uuid) {
  const line = smi(uuid, Object.keys(smiFields))
  return line === undefined ? undefined : parseSmi(line)
}

/** The GPU, as results name it. */
export function describeGpu(gpu) {
  if (!gpu.isGpu) return { name: gpu.name }
  const { name, uuid, computeCapability, totalBytes } = gpu.info
  const line = smi(uuid, ['driver_version', 'clocks.max.sm', 'power.limit'])
  const [driver = null, maxClock, powerLimit] = (line ?? '').split(',').map((text) => text.trim())
  const number = (text) => (text === undefined || Number.isNaN(Number(text)) ? null : Number(text))
  return {
    name,
    computeCapability,
    memoryBytes: totalBytes,
    driver: driver || null,
    cuda: gpu.driverVersion ?? null,
    maxSmClockMhz: number(maxClock),
    powerLimitW: number(powerLimit),
  }
}

/** How this was called, to be called again. */
export function commandLine() {
  const script = process.argv[1] ?? ''
  const at = script.indexOf('bench/gpu/')
  const name = at < 0 ? script : script.slice(at)
  return ['node', name, ...process.argv.slice(2)].join(' ')
}

/** Version of one of our packages; null when it is not there. */
export function packageVersion(name) {
  try {
    const manifest = new URL(`../../../node_modules/${name}/package.json`, import.meta.url)
    return JSON.parse(readFileSync(manifest, 'utf8')).version
  } catch {
    return null
  }
}
