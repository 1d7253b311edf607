import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js'

import { resultSchema, type Bar, type Result } from './schema/result.ts'

// Numbers that are no numbers fail `type: number` here, before JSON makes them null.
const ajv = new Ajv2020({
  allErrors: true,
  strict: true,
  strictRequired: false,
  strictTypes: false,
  strictNumbers: true,
})
ajv.addFormat('date-time', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/)

let validate: ValidateFunction | undefined

/** All the ways in which a value does not have the schema's form, each with its place. */
function schemaReasons(value: unknown): string[] {
  validate ??= ajv.compile(resultSchema)
  if (validate(value)) return []
  const told = (validate.errors ?? []).filter(({ keyword }) => keyword !== 'if')
  return [...new Set(told.map(reasonOf))]
}

function reasonOf({ instancePath, keyword, message, params }: ErrorObject): string {
  const place = instancePath === '' ? 'the result' : instancePath.slice(1).replaceAll('/', '.')
  const more =
    keyword === 'additionalProperties'
      ? ` ("${String(params.additionalProperty)}")`
      : keyword === 'const'
        ? ` (${JSON.stringify(params.allowedValue)})`
        : keyword === 'propertyNames'
          ? ` ("${String(params.propertyName)}" should end in a unit)`
          : ''
  return `${place} ${message ?? 'is wrong'}${more}`
}

/** What a bar says of itself that cannot be. */
function barReasons({ name, value, low, high, kind, bar, met, decided }: Bar): string[] {
  const meets = (one: number) => (kind === 'atLeast' ? one >= bar : one <= bar)
  if (value === null) return met === null ? [] : [`bars: "${name}" is judged without a value`]
  const found: string[] = []
  if (met !== meets(value)) found.push(`bars: "${name}" is ${String(met)}, and ${value} is not`)
  const interval = typeof low === 'number' && typeof high === 'number'
  if (decided !== undefined && interval && decided !== (meets(low) === meets(high))) {
    found.push(`bars: "${name}" is not decided as its interval says`)
  }
  return found
}

/**
 * All reasons why a value is no result: those of the schema, or, when it has the right form, what it
 * says that contradicts itself.
 *
 * @returns none for a result
 */
export function resultReasons(value: unknown): string[] {
  const found = schemaReasons(value)
  if (found.length > 0) return found
  const { bars, cases } = value as Result
  const seen = new Set<string>()
  const twice = cases.flatMap((one) => {
    const key = caseKey(one.parameters)
    if (!seen.has(key)) {
      seen.add(key)
      return []
    }
    return [`cases: "${one.name}" has the parameters of another case`]
  })
  return [...bars.flatMap(barReasons), ...twice]
}

/** What identifies a case within a bench: its parameters, whatever their order. */
export function caseKey(parameters: Readonly<Record<string, unknown>>): string {
  return JSON.stringify(Object.entries(parameters).sort(([a], [b]) => (a < b ? -1 : 1)))
}
