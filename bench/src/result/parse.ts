import { resultErrors } from './errors.ts'
import { resultReasons } from './validate.ts'
import { schemaVersion, type Result } from './schema/result.ts'

/**
 * A result from the JSON of a file.
 *
 * @param value Parsed JSON.
 * @param source For messages: the file.
 * @throws ResultError with all reasons: of another version, or no result
 */
export function parseResult(value: unknown, source: string): Result {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw resultErrors.invalid(source, ['not an object'])
  }
  const version = (value as { schemaVersion?: unknown }).schemaVersion
  if (typeof version === 'number' && version !== schemaVersion) {
    throw resultErrors.version(source, [
      `schema version ${version}; this reader knows ${schemaVersion}`,
    ])
  }
  const reasons = resultReasons(value)
  if (reasons.length > 0) throw resultErrors.invalid(source, reasons)
  return value as Result
}
