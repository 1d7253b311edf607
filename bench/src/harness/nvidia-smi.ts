import { spawnSync } from 'node:child_process'

/** Fields of nvidia-smi, and what they are called in results. */
export const smiFields = {
  'clocks.sm': 'smClockMhz',
  'clocks.mem': 'memoryClockMhz',
  'power.draw.instant': 'powerW',
  'temperature.gpu': 'temperatureC',
  'clocks_event_reasons.active': 'throttleReasons',
} as const

/** What a GPU does at a time; null where nvidia-smi does not know. */
export interface GpuClocks {
  readonly smClockMhz: number | null
  readonly memoryClockMhz: number | null
  readonly powerW: number | null
  readonly temperatureC: number | null
  /** As it prints them: `0x0000000000000004`. */
  readonly throttleReasons: string | null
}

/** A number of nvidia-smi; null for `[N/A]`. */
export function smiNumber(text: string | undefined): number | null {
  const trimmed = text?.trim() ?? ''
  const value = Number(trimmed)
  return trimmed === '' || Number.isNaN(value) ? null : value
}

/** One line of its CSV, with the fields above. */
export function parseSmi(line: string): GpuClocks {
  const [sm, memory, power, temperature, reasons = ''] = line.split(',')
  const text = reasons.trim()
  return {
    smClockMhz: smiNumber(sm),
    memoryClockMhz: smiNumber(memory),
    powerW: smiNumber(power),
    temperatureC: smiNumber(temperature),
    throttleReasons: text.startsWith('0x') ? text : null,
  }
}

/** Asks nvidia-smi about a GPU: a line of CSV; undefined without it. */
export function askSmi(uuid: string, fields: readonly string[]): string | undefined {
  const args = [`--query-gpu=${fields.join(',')}`, '--format=csv,noheader,nounits']
  const { status, stdout } = spawnSync('nvidia-smi', [...args, `--id=${uuid}`], {
    encoding: 'utf8',
  })
  return status === 0 ? stdout.trim() : undefined
}

/** Clocks, power and why they are what they are, now; undefined without nvidia-smi. */
export function clocks(uuid: string): GpuClocks | undefined {
  const line = askSmi(uuid, Object.keys(smiFields))
  return line === undefined ? undefined : parseSmi(line)
}
