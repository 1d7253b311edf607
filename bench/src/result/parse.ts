import { ResultError } from './errors.ts'
import { resultReasons } from './validate.ts'
import { schemaVersion, type Result } from './schema/result.ts'

const invalid = (source: string, reasons: readonly string[]) =>
  new ResultError('ERR_VATTENTION_RESULT_INVALID', source, reasons)

/**
 * A result from the JSON of a file.
 *
 * @param value Parsed JSON.
 * @param source For messages: the file.
 * @throws ResultError with all reasons: of another version, or no result
 */
export function parseResult(value: unknown, source: string): Result {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(source, ['not an object'])
  }
  const version = (value as { schemaVersion?: unknown }).schemaVersion
  if (typeof version === 'number' && version !== schemaVersion) {
    throw new ResultError('ERR_VATTENTION_RESULT_VERSION', source, [
      `schema version ${version}; this reader knows ${schemaVersion}`,
    ])
  }
  const reasons = resultReasons(value)
  if (reasons.length > 0) throw invalid(source, reasons)
  return value as Result
}
