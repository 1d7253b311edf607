// Clocks and power while a bench runs: nvidia-smi writes a line every few milliseconds to a file, and
// samples find those of their time in it. It only looks: clocks and limits stay as they are.
import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { mean } from 'd3-array'

import { clocks, parseSmi, smiFields, type GpuClocks } from './nvidia-smi.ts'

const intervalMs = 50

/** A line of nvidia-smi. */
export interface Reading extends GpuClocks {
  /** Milliseconds since 1970. */
  readonly at: number
}

/** What held during a sample. */
export interface SampleClocks {
  readonly smClockMhz: number | null
  readonly powerW: number | null
  readonly temperatureC: number | null
  /** All that were seen. */
  readonly throttleReasons: readonly string[]
}

/** `2026/11/22 07:01:26.123`, in the time zone of this machine, as milliseconds since 1970. */
export function parseTime(text: string): number {
  const [, year, month, day, hour, minute, second] =
    /^(\d+)\/(\d+)\/(\d+) (\d+):(\d+):([\d.]+)$/.exec(text.trim()) ?? []
  if (second === undefined) return NaN
  const whole = Math.floor(Number(second))
  const fraction = Math.round((Number(second) - whole) * 1000)
  const [y = 0, mo = 0, d = 0, h = 0, mi = 0] = [year, month, day, hour, minute].map(Number)
  return new Date(y, mo - 1, d, h, mi, whole, fraction).getTime()
}

/** Lines of nvidia-smi with the time first. */
export function parseReadings(text: string): Reading[] {
  const readings: Reading[] = []
  for (const line of text.split('\n')) {
    const comma = line.indexOf(',')
    const at = comma < 0 ? NaN : parseTime(line.slice(0, comma))
    // The last line may be half written.
    if (Number.isNaN(at) || line.split(',').length <= Object.keys(smiFields).length) continue
    readings.push({ at, ...parseSmi(line.slice(comma + 1)) })
  }
  return readings
}

/** What held between two times (milliseconds since 1970), or at the nearest reading. */
export function summarizeReadings(
  readings: readonly Reading[],
  from: number,
  to: number,
): SampleClocks | null {
  let of = readings.filter(({ at }) => at >= from && at <= to)
  if (of.length === 0) {
    const middle = (from + to) / 2
    const distance = ({ at }: Reading) => Math.abs(at - middle)
    const near = readings.reduce<Reading | undefined>(
      (best, one) => (!best || distance(one) < distance(best) ? one : best),
      undefined,
    )
    if (!near || !(distance(near) < 4 * intervalMs)) return null
    of = [near]
  }
  const average = (name: 'smClockMhz' | 'powerW' | 'temperatureC') =>
    mean(of, (one) => one[name] ?? undefined) ?? null
  const reasons = of.map(({ throttleReasons }) => throttleReasons)
  return {
    smClockMhz: average('smClockMhz'),
    powerW: average('powerW'),
    temperatureC: average('temperatureC'),
    throttleReasons: [...new Set(reasons)].filter((one) => one !== null),
  }
}

/** Watches a GPU until it is disposed; without nvidia-smi it knows nothing. */
export class Telemetry implements Disposable {
  #folder = ''
  #file: string | undefined
  #child: ChildProcess | undefined
  #readings: readonly Reading[] = []

  /** @param uuid The GPU's; undefined: there is nothing to watch. */
  constructor(uuid: string | undefined) {
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

  /** Takes in what was read so far. Times are those of `Date.now()`. */
  read(): void {
    if (this.#file) this.#readings = parseReadings(readFileSync(this.#file, 'utf8'))
  }

  /** What held between two times, of what was taken in. */
  between(from: number, to: number): SampleClocks | null {
    return this.#readings.length === 0 ? null : summarizeReadings(this.#readings, from, to)
  }

  /** Ends the watching; `between` still answers. */
  [Symbol.dispose](): void {
    if (!this.#child) return
    this.read()
    this.#child.kill()
    this.#child = undefined
    rmSync(this.#folder, { recursive: true, force: true })
    this.#file = undefined
  }
}
