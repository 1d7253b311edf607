import type { Unit } from '../result/index.ts'
import { FigureError } from './figure-error.ts'
import type { Selected } from './selector.ts'

/** Units that pages may write instead of a metric's own, and what its number is divided by. */
const converted: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  'GB/s': { 'TB/s': 1e3 },
  'GFLOP/s': { 'TFLOP/s': 1e3 },
  µs: { ms: 1e3 },
  ms: { s: 1e3, µs: 1e-3 },
  ns: { µs: 1e3 },
  B: { KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 },
  share: { '%': 0.01 },
}

function divisor(unit: Unit, written: string): number {
  if (written === unit.symbol) return 1
  const found = converted[unit.symbol]?.[written]
  if (found !== undefined) return found
  throw new FigureError(`the number is in "${unit.symbol}", and "${written}" is written`)
}

const decimalsOf = (text: string) => /\.(\d+)$/.exec(text)?.[1]?.length ?? 0

/**
 * A figure as a page should write it: the numbers of the result, in the unit and with as many
 * decimals as the page has now.
 *
 * @param written As it stands: `4.39 TB/s`, `1.01 – 1.24 ×`, `20 %`.
 * @throws FigureError when it has another unit, or one number for two
 */
export function figureText(written: string, { values, unit }: Selected): string {
  const [, first, second, symbol] =
    /^(-?\d[\d.]*)(?:\s*–\s*(-?\d[\d.]*))?\s*(\D*)$/.exec(written.trim()) ?? []
  if (first === undefined) throw new FigureError(`"${written}" has no number in front`)
  const decimals = [first, ...(second === undefined ? [] : [second])].map(decimalsOf)
  if (decimals.length !== values.length) {
    throw new FigureError(`"${written}" has ${decimals.length} numbers for ${values.length}`)
  }
  const by = divisor(unit, (symbol ?? '').trim())
  const numbers = values.map((value, i) => (value / by).toFixed(decimals[i]))
  return [numbers.join(' – '), symbol?.trim()].filter(Boolean).join(' ')
}
