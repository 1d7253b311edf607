// Samples as results keep them, and the figures made of them.
import { summarize } from './statistics.mjs'

/** Columns of samples: times, and the clocks and power of their time where they are known. */
export function columns(samples, telemetry) {
  const readings = samples.map(({ from, to }) => telemetry.between(from, to))
  const known = readings.some((one) => one !== null)
  return {
    ms: samples.map(({ ms }) => ms),
    ...(known && {
      smClockMhz: readings.map((one) => one?.smClockMhz ?? null),
      powerW: readings.map((one) => one?.powerW ?? null),
      throttleReasons: [...new Set(readings.flatMap((one) => one?.throttleReasons ?? []))],
    }),
  }
}

/** Rates of samples: `work` is what a launch does, in units per second. */
export const rates = (samples, work) => samples.map(({ ms }) => work / (ms / 1000))

/**
 * Time, a rate, and the rate for each GHz of the clock where that is known.
 *
 * @param {object[]} samples
 * @param {object} telemetry
 * @param {{ name: string, work: number }} of The rate's name and a launch's work: `tflops`.
 */
export function figures(samples, telemetry, { name, work }, random) {
  const kept = columns(samples, telemetry)
  const values = rates(samples, work)
  const perGhz = values
    .map((value, i) => (kept.smClockMhz?.[i] ? value / (kept.smClockMhz[i] / 1000) : NaN))
    .filter(Number.isFinite)
  return {
    samples: kept,
    summary: {
      ms: summarize(kept.ms, random),
      [name]: summarize(values, random),
      ...(perGhz.length > 0 && { [`${name}PerGhz`]: summarize(perGhz, random) }),
    },
  }
}

/** Prints a table of medians with their intervals. */
export function printTable(title, rows) {
  console.log(`\n${title}`)
  const columnsOf = [...new Set(rows.flatMap((row) => Object.keys(row)))]
  const shown = rows.map((row) => columnsOf.map((column) => format(row[column])))
  const widths = columnsOf.map((column, i) =>
    Math.max(column.length, ...shown.map((row) => row[i].length)),
  )
  const line = (cells) =>
    cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  ')
  console.log(`  ${line(columnsOf)}`)
  for (const row of shown) console.log(`  ${line(row)}`)
}

function format(value) {
  if (value === undefined || value === null) return '-'
  if (typeof value !== 'number') return String(value)
  if (!Number.isFinite(value)) return '-'
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(4)
}
