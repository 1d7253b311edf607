// Clocks and power while a bench runs: nvidia-smi writes a line every few milliseconds to a file, and
// samples find those of their time in it. It only looks: clocks and limits stay as they are.
import { spawn } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { clocks, parseSmi, smiFields } from './machine.mjs'

const intervalMs = 50

/** `2026/11/22 07:01:26.123`, in the time zone of this machine, as milliseconds since 1970. */
export function parseTime(text) {
  const [, year, month, day, hour, minute, second] =
    /^(\d+)\/(\d+)\/(\d+) (\d+):(\d+):([\d.]+)$/.exec(text.trim()) ?? []
  if (second === undefined) return NaN
  const whole = Math.floor(Number(second))
  const fraction = Math.round((Number(second) - whole) * 1000)
  return new Date(year, month - 1, day, hour, minute, whole, fraction).getTime()
}

/** Lines of nvidia-smi with the time first. */
export function parseReadings(text) {
  const readings = []
  for (const line of text.split('\n')) {
    const comma = line.indexOf(',')
    const at = comma < 0 ? NaN : parseTime(line.slice(0, comma))
    // The last line may be half written.
    if (Number.isNaN(at) || line.split(',').length <= Object.keys(smiFields).length) continue
    readings.push({ at, ...parseSmi(line.slice(comma + 1)) })
  }
  return readings
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length

/** What held between two times (milliseconds since 1970), or at the nearest reading. */
export function summarizeReadings(readings, from, to) {
  let of = readings.filter(({ at }) => at >= from && at <= to)
  if (of.length === 0) {
    const middle = (from + to) / 2
    const near = readings.reduce(
      (best, one) => (Math.abs(one.at - middle) < Math.abs(best.at - middle) ? one : best),
      { at: Infinity },
    )
    if (!(Math.abs(near.at - middle) < 4 * intervalMs)) return null
    of = [near]
  }
  const known = (name) => of.map((one) => one[name]).filter((value) => typeof value === 'number')
  const average = (name) => (known(name).length > 0 ? mean(known(name)) : null)
  return {
    smClockMhz: average('smClockMhz'),
    powerW: average('powerW'),
    temperatureC: average('temperatureC'),
    throttleReasons: [...new Set(of.map(({ throttleReasons }) => throttleReasons))].filter(Boolean),
  }
}

/** Watches a GPU until `stop`; without nvidia-smi it knows nothing. */
export class Telemetry {
  #folder
  #file
  #child
  #readings = []

  /** @param {string | undefined} uuid The GPU's. */
  constructor(uuid) {
    if (uuid === undefined || clocks(uuid) === undefined) return
    this.#folder = mkdtempSync(join(tmpdir(), 'vattention-telemetry-'))
    this.#file = join(this.#folder, 'readings.csv')
    const out = openSync(this.#file, 'w')
    const fields = ['timestamp', ...Object.keys(smiFields)]
    this.#child = spawn(
      'nvidia-smi',
      [
        `--id=${uuid}`,
        `--query-gpu=${fields.join(',')}`,
        '--format=csv,noheader,nounits',
        `--loop-ms=${intervalMs}`,
      ],
      { stdio: ['ignore', out, 'ignore'] },
    )
    this.#child.on('error', () => undefined)
    this.#child.unref()
    closeSync(out)
  }

  /** What was read so far. Times are those of `Date.now()`. */
  read() {
    if (this.#file) this.#readings = parseReadings(readFileSync(this.#file, 'utf8'))
    return this.#readings
  }

  /** Ends the watching; `between` still answers. */
  stop() {
    if (!this.#child) return
    this.read()
    this.#child.kill()
    this.#child = undefined
    rmSync(this.#folder, { recursive: true, force: true })
    this.#file = undefined
  }

  between(from, to) {
    return this.#readings.length === 0 ? null : summarizeReadings(this.#readings, from, to)
  }
}
