/** Typed access to a GGUF file's metadata, whose integers may be bigints. */
import { engineErrors } from '../errors.ts'

/** The metadata of one GGUF file. */
export class GgufMetadata {
  readonly #values: Readonly<Record<string, unknown>>
  readonly #path: string

  constructor(path: string, values: Readonly<Record<string, unknown>>) {
    this.#path = path
    this.#values = values
  }

  /** A number that must be there. */
  number(key: string): number {
    const value = this.optionalNumber(key)
    if (value === undefined) throw this.#wrong(key, 'a number')
    return value
  }

  /** A number, if the key is there. */
  optionalNumber(key: string): number | undefined {
    const value = this.#values[key]
    if (value === undefined) return undefined
    if (typeof value !== 'number' && typeof value !== 'bigint') throw this.#wrong(key, 'a number')
    return Number(value)
  }

  /** A string, if the key is there. */
  optionalString(key: string): string | undefined {
    return this.#optional(key, 'string')
  }

  /** A boolean, if the key is there. */
  optionalBoolean(key: string): boolean | undefined {
    return this.#optional(key, 'boolean')
  }

  /** An array of strings that must be there. */
  strings(key: string): string[] {
    const value = this.#values[key]
    if (!Array.isArray(value) || typeof value[0] !== 'string') throw this.#wrong(key, 'strings')
    return value as string[]
  }

  /** An array of numbers, if the key is there. */
  optionalNumbers(key: string): number[] | undefined {
    const value = this.#values[key]
    if (value === undefined) return undefined
    if (!Array.isArray(value)) throw this.#wrong(key, 'numbers')
    return value.map(Number)
  }

  /** Whether the key is there. */
  has(key: string): boolean {
    return this.#values[key] !== undefined
  }

  #optional<Name extends 'string' | 'boolean'>(key: string, type: Name) {
    const value = this.#values[key]
    if (value === undefined) return undefined
    if (typeof value !== type) throw this.#wrong(key, `a ${type}`)
    return value as Name extends 'string' ? string : boolean
  }

  #wrong(key: string, expected: string) {
    const value = this.#values[key]
    const found = value === undefined ? 'nothing' : Array.isArray(value) ? 'an array' : typeof value
    return engineErrors.modelFile(this.#path, `metadata ${key} must be ${expected}, found ${found}`)
  }
}
