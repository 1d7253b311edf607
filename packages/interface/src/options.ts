import type { Reason } from './errors.ts'

/** What an option has to be. */
export interface OptionRule {
  /** In words, for the message: `a positive integer`. */
  readonly expected: string
  readonly check: (value: unknown) => boolean
  /** Defaults to `false`. */
  readonly required?: boolean
}

/** A positive safe integer. */
export const positiveInteger: OptionRule = {
  expected: 'a positive integer',
  check: (value) => Number.isSafeInteger(value) && (value as number) > 0,
}

/** A safe integer of 0 or more. */
export const nonNegativeInteger: OptionRule = {
  expected: 'an integer of at least 0',
  check: (value) => Number.isSafeInteger(value) && (value as number) >= 0,
}

/** A boolean. */
export const boolean: OptionRule = {
  expected: 'a boolean',
  check: (value) => typeof value === 'boolean',
}

/** A function. */
export const callback: OptionRule = {
  expected: 'a function',
  check: (value) => typeof value === 'function',
}

/** One of some values. */
export function oneOf(...values: readonly unknown[]): OptionRule {
  return {
    expected: values.map((value) => JSON.stringify(value)).join(' or '),
    check: (value) => values.includes(value),
  }
}

/** Makes a rule required. */
export function required(rule: OptionRule): OptionRule {
  return { ...rule, required: true }
}

/**
 * Every way in which an options object breaks its rules: missing, wrong, or unknown names (with the
 * nearest known one).
 */
export function optionReasons(
  options: object,
  rules: Readonly<Record<string, OptionRule>>,
): Reason[] {
  const found: Reason[] = []
  const values = options as Record<string, unknown>
  for (const [name, rule] of Object.entries(rules)) {
    const value = values[name]
    if (value === undefined ? rule.required : !rule.check(value)) {
      const received = describe(value)
      found.push({
        code: name,
        message: `${name}: ${rule.expected} required, found ${received}`,
        expected: rule.expected,
        found: received,
      })
    }
  }
  for (const name of Object.keys(values)) {
    if (name in rules) continue
    const near = nearest(name, Object.keys(rules))
    const hint = near ? ` (did you mean ${near}?)` : ''
    found.push({
      code: name,
      message: `${name} is not an option${hint}`,
      expected: Object.keys(rules).join(', '),
      found: name,
    })
  }
  return found
}

function describe(value: unknown): string {
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'function') return 'a function'
  return value === undefined ? 'nothing' : (JSON.stringify(value) ?? String(value))
}

/** The known name within two edits, if any. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const ranked = known
    .map((other) => ({ other, distance: editDistance(name.toLowerCase(), other.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)
  return ranked[0] && ranked[0].distance <= 2 ? ranked[0].other : undefined
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const change = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(change, row[j]! + 1, next[j - 1]! + 1))
    }
    row = next
  }
  return row[b.length]!
}
