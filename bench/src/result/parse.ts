import { ResultError } from './errors.ts'
import { legacyForms } from './legacy/index.ts'
import { resultReasons, schemaReasons } from './validate.ts'
import { schemaVersion, type Result } from './schema/result.ts'

const invalid = (source: string, reasons: readonly string[]) =>
  new ResultError('ERR_VATTENTION_RESULT_INVALID', source, reasons)

/**
 * A result from the JSON of a file. Forms older than the common one are migrated, and say so in
 * `migratedFrom`.
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
  const legacy = 'bench' in value ? undefined : legacyForms.find(({ key }) => key in value)
  const result = legacy ? migrated(legacy, value, source) : (value as Result)
  const reasons = resultReasons(result)
  if (reasons.length > 0) throw invalid(source, reasons)
  return result
}

function migrated(form: (typeof legacyForms)[number], value: object, source: string): Result {
  const reasons = schemaReasons(form.schema, value)
  if (reasons.length > 0) {
    throw invalid(
      source,
      reasons.map((reason) => `as ${form.name}: ${reason}`),
    )
  }
  return form.migrate(value)
}
