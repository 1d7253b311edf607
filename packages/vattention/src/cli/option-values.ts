import { InvalidArgumentError } from 'commander'

import { parseBytes } from './units.ts'

/** A whole number within bounds. */
export function integer(min: number, max = Number.MAX_SAFE_INTEGER): (text: string) => number {
  const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`
  return (text) => {
    const value = Number(text)
    if (text.trim() === '' || !Number.isSafeInteger(value) || value < min || value > max) {
      throw new InvalidArgumentError(`Expected a whole number ${range}.`)
    }
    return value
  }
}

/** A number within bounds. */
export function number(min: number, max = Infinity): (text: string) => number {
  const range = max === Infinity ? `of at least ${min}` : `from ${min} to ${max}`
  return (text) => {
    const value = Number(text)
    if (text.trim() === '' || Number.isNaN(value) || value < min || value > max) {
      throw new InvalidArgumentError(`Expected a number ${range}.`)
    }
    return value
  }
}

/** A size with its unit. */
export function bytes(text: string): number {
  const value = parseBytes(text)
  if (value === undefined) {
    throw new InvalidArgumentError('Expected a size with its unit, such as 64KiB, 512MiB or 2GiB.')
  }
  return value
}

/** `split`, `interleaved` or `layer-group=N`. */
export function layout(text: string): 'split' | 'interleaved' | { layerGroup: number } {
  if (text === 'split' || text === 'interleaved') return text
  const match = /^layer-group=(\d+)$/.exec(text)
  if (!match || Number(match[1]) === 0) {
    throw new InvalidArgumentError('Expected split, interleaved or layer-group=N.')
  }
  return { layerGroup: Number(match[1]) }
}

/** Collects an option that may be given several times. */
export function collect(text: string, earlier: string[] = []): string[] {
  return [...earlier, text]
}
