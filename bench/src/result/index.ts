export { ResultError, resultErrors } from './errors.ts'
export { readResult, resultText, writeResult, type SourcedResult } from './files.ts'
export { placedCases, type PlacedCase } from './measured.ts'
export { parseResult } from './parse.ts'
export type { MeasuredCase, Metric } from './schema/measured-case.ts'
export type { Latencies, Summary } from './schema/parts.ts'
export {
  resultSchema,
  schemaVersion,
  type Bar,
  type Gauges,
  type Result,
  type Skipped,
} from './schema/result.ts'
export { summaryOf } from './statistics.ts'
export { metricWords, unitOf, type Better, type Unit } from './units.ts'
export { caseKey, resultReasons } from './validate.ts'
