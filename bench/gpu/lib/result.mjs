// Result files: everything that figures are made of, and what they were measured on. A result is
// checked before it is written; one of a smoke run says so.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { barLine } from './bars.mjs'
import { clocks, commandLine, commit, describeGpu, host, packageVersion, root } from './machine.mjs'

export const schemaVersion = 1

/** Kinds of values that every result has, by path. */
const required = {
  schemaVersion: 'number',
  bench: 'string',
  kind: 'string',
  label: 'string',
  what: 'string',
  commit: 'string',
  command: 'string',
  startedAt: 'string',
  seconds: 'number',
  host: 'object',
  device: 'object',
  libraries: 'object',
  protocol: 'object',
  workload: 'object',
  cases: 'object',
  bars: 'object',
  skipped: 'object',
}

/** Numbers as JSON has them: null for what is none; digits beyond the sixth are noise. */
export function plain(value) {
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) return null
    return Number.isInteger(value) ? value : Number(value.toPrecision(6))
  }
  if (typeof value === 'bigint') return String(value)
  if (ArrayBuffer.isView(value)) return Array.from(value, plain)
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, inner]) => inner !== undefined)
      .map(([key, inner]) => [key, plain(inner)]),
  )
}

/** JSON for people and for diffs: lists of numbers on one line each. */
const compact = (result) =>
  JSON.stringify(result, null, 1).replaceAll(/\[[\s\d.,eE+\-nul]+\]/g, (list) =>
    list.replaceAll(/\s+/g, ''),
  )

/** Every way in which something is no result. */
export function resultReasons(result) {
  const found = Object.entries(required)
    .filter(([key, type]) => typeof result[key] !== type || result[key] === null)
    .map(([key, type]) => `${key}: ${type} required`)
  if (!['kernel', 'memory'].includes(result.kind)) found.push('kind: kernel or memory required')
  if (!['smoke', 'full'].includes(result.label)) found.push('label: smoke or full required')
  for (const name of ['cases', 'bars', 'skipped']) {
    if (!Array.isArray(result[name])) found.push(`${name}: a list required`)
  }
  if (found.length > 0) return found
  for (const { case: of, reason } of result.skipped) {
    if (!of || !reason) found.push('skipped: case and reason required of each')
  }
  for (const { name, bar, met, value } of result.bars) {
    const judged = met === null ? value === null : typeof met === 'boolean' && value !== null
    if (!name || typeof bar !== 'number' || !judged) found.push(`bars: ${name} is not judged`)
  }
  return found
}

const libraries = [
  '@vattention/core',
  '@vattention/flash-attention-2',
  '@vattention/flash-attention-3',
  '@vattention/flashinfer',
  '@vattention/paged-attention',
]

/** Upstream's releases, as the packages are built from them. */
const upstream = {
  'flash-attention-2': 'FlashAttention 2.8.3 (sdist xformers 0.0.34)',
  'flash-attention-3': 'FlashAttention 3.0.0.b1 (sdist xformers 0.0.34)',
  flashinfer: 'FlashInfer 0.7.2.post1',
  'paged-attention': 'vLLM 0.10.2',
}

/** Collects what a bench finds out, and writes it. */
export class Result {
  cases = []
  bars = []
  skipped = []
  #about
  #options
  #gpu
  #startedAt = new Date()
  #clocksBefore

  /**
   * @param {object} about
   * @param {string} about.bench Name of the file.
   * @param {'kernel' | 'memory'} about.kind
   * @param {string} about.what
   * @param {object} about.protocol How it is measured.
   * @param {object} about.workload
   */
  constructor(about, options, gpu) {
    this.#about = about
    this.#options = options
    this.#gpu = gpu
    this.#clocksBefore = gpu.isGpu ? clocks(gpu.info.uuid) : undefined
  }

  /** A case that was not measured. */
  skip(name, reason) {
    const text = (reason instanceof Error ? reason.message : String(reason)).replace(/\s+/g, ' ')
    this.skipped.push({ case: name, reason: text })
    console.log(`  skipped ${name}: ${text}`)
  }

  toJSON() {
    const gpu = this.#gpu
    return plain({
      schemaVersion,
      bench: this.#about.bench,
      kind: this.#about.kind,
      label: this.#options.quick ? 'smoke' : 'full',
      what: this.#about.what,
      ...commit(),
      command: commandLine(),
      startedAt: this.#startedAt.toISOString(),
      seconds: (Date.now() - this.#startedAt.getTime()) / 1000,
      host: host(),
      device: {
        ...describeGpu(gpu),
        clocksBefore: this.#clocksBefore ?? null,
        clocksAfter: (gpu.isGpu && clocks(gpu.info.uuid)) || null,
      },
      libraries: {
        ...Object.fromEntries(libraries.map((name) => [name, packageVersion(name)])),
        upstream,
      },
      protocol: { seed: this.#options.seed, ...this.#about.protocol },
      workload: this.#about.workload,
      bars: this.bars,
      cases: this.cases,
      skipped: this.skipped,
    })
  }

  /** Tells the bars and writes the file, unless there was no GPU or nothing to measure. */
  finish() {
    const result = this.toJSON()
    const reasons = resultReasons(result)
    if (reasons.length > 0) throw new Error(`not a result: ${reasons.join('; ')}`)
    if (!this.#gpu.isGpu || result.cases.length === 0) {
      const why = this.#gpu.isGpu ? 'Nothing was measured' : 'Tried on the CPU'
      console.log(`\n${why}: nothing is written.`)
      return undefined
    }
    if (result.bars.length > 0) console.log('\nbars:')
    for (const bar of result.bars) console.log(barLine(bar))
    const folder =
      this.#options.out ?? process.env.VATTENTION_RESULTS_DIR ?? join(root, 'bench/results')
    mkdirSync(folder, { recursive: true })
    const name = `gpu-${result.bench}${result.label === 'smoke' ? '-smoke' : ''}.json`
    const file = join(folder, name)
    writeFileSync(file, `${compact(result)}\n`)
    console.log(`\nWritten to ${file}`)
    return file
  }
}
