/** Values of suites' own options, as commander reads them. */
import { InvalidArgumentError } from 'commander'

/** Reads a whole number of at least `least`. */
export const count =
  (least = 1) =>
  (text: string): number => {
    const value = Number(text)
    if (Number.isSafeInteger(value) && value >= least) return value
    throw new InvalidArgumentError(`Expected a whole number of at least ${least}.`)
  }

/** Reads a number above 0. */
export function positive(text: string): number {
  const value = Number(text)
  if (text.trim() !== '' && Number.isFinite(value) && value > 0) return value
  throw new InvalidArgumentError('Expected a number above 0.')
}

/** Reads values that are separated by commas, at least one. */
export const listOf =
  <T>(one: (text: string) => T) =>
  (text: string): T[] => {
    const parts = text
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '')
    if (parts.length === 0) throw new InvalidArgumentError('Expected at least one value.')
    return parts.map(one)
  }

/** Reads one of some words. */
export const wordOf =
  <T extends string>(...words: readonly T[]) =>
  (text: string): T => {
    const found = words.find((word) => word === text)
    if (found !== undefined) return found
    throw new InvalidArgumentError(`"${text}" is none of ${words.join(', ')}.`)
  }

const multiples: Readonly<Record<string, number>> = {
  '': 1,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
}

/** Reads a size: `512MiB`, `1GiB`, or a number of bytes. */
export function bytes(text: string): number {
  const [, digits = '', unit = ''] = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim()) ?? []
  const value = Number(digits) * (multiples[unit.toLowerCase()] ?? Number.NaN)
  if (Number.isFinite(value) && value > 0) return Math.floor(value)
  throw new InvalidArgumentError('Expected a size: 512MiB, 1GiB, or a number of bytes.')
}
