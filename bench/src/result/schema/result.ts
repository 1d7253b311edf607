import { Type, type Static } from 'typebox'

import { metricKeyPattern } from '../units.ts'
import { MeasuredCase } from './measured-case.ts'
import { closed, Count, named, NumberOrNull, sharedForms, Summary, Text } from './parts.ts'

/** Version of the form below. A reader that knows only older ones refuses. */
export const schemaVersion = 1

const Scalar = Type.Union([Type.String(), Type.Number(), Type.Boolean(), Type.Null()])
const Scalars = Type.Union([Scalar, Type.Array(Scalar), named(Scalar)])
/** What is told in words and numbers of the bench's own. */
const Described = named(Type.Union([Scalars, Type.Array(named(Scalar))]))

const Clocks = closed({
  smClockMhz: NumberOrNull,
  memoryClockMhz: NumberOrNull,
  powerW: NumberOrNull,
  temperatureC: NumberOrNull,
  /** Of nvidia-smi, as it prints them: `0x0000000000000004`. */
  throttleReasons: Type.Union([Type.String(), Type.Null()]),
})

const Host = closed({
  cpu: Text,
  cores: Type.Integer({ minimum: 1 }),
  memoryBytes: Count,
  os: Text,
  node: Text,
  /** Of the last 1, 5 and 15 minutes. */
  loadAverage: Type.Array(Type.Number()),
  /** Instruction sets that matter here. */
  isa: Type.Optional(Type.Array(Text)),
})

const Device = closed({
  name: Text,
  computeCapability: Text,
  memoryBytes: Count,
  driver: Type.Union([Text, Type.Null()]),
  /** The newest CUDA that the driver knows. */
  cuda: Type.Union([Text, Type.Null()]),
  maxSmClockMhz: NumberOrNull,
  powerLimitW: NumberOrNull,
  clocksBefore: Type.Union([Clocks, Type.Null()]),
  clocksAfter: Type.Union([Clocks, Type.Null()]),
})

/**
 * How fast the machine did the same small pieces of work, now and then during the run. Keys end in
 * their unit; of a shared machine they tell how much slower or faster it was than in another run.
 */
export const Gauges = Type.Unsafe<Record<string, Summary>>({
  type: 'object',
  propertyNames: { pattern: metricKeyPattern },
  additionalProperties: Summary,
})
export type Gauges = Static<typeof Gauges>

const Versions = Type.Unsafe<Record<string, string | null> & { upstream?: Record<string, string> }>(
  {
    type: 'object',
    properties: { upstream: named(Text) },
    additionalProperties: Type.Union([Text, Type.Null()]),
  },
)

/** What was measured beside what is required. */
export const Bar = closed({
  name: Text,
  /** null: not measured. */
  value: NumberOrNull,
  /** Of its 95 % interval. */
  low: Type.Optional(NumberOrNull),
  high: Type.Optional(NumberOrNull),
  kind: Type.Union([Type.Literal('atLeast'), Type.Literal('atMost')]),
  bar: Type.Number(),
  /** Of `value`; null: not measured. */
  met: Type.Union([Type.Boolean(), Type.Null()]),
  /** Whether the whole interval is on one side of the bar. */
  decided: Type.Optional(Type.Boolean()),
  unit: Type.Optional(Text),
  note: Type.Optional(Text),
  spread: Type.Optional(Summary),
})
export type Bar = Static<typeof Bar>

const Skipped = closed({ case: Text, reason: Text })
export type Skipped = Static<typeof Skipped>

const Envelope = closed({
  schemaVersion: Type.Literal(schemaVersion),
  /** Which bench: results of different ones are never compared. */
  bench: Type.String({ pattern: '^[a-z][a-z0-9]*(-[a-z0-9]+)*$' }),
  kind: Type.Union([Type.Literal('kernel'), Type.Literal('memory'), Type.Literal('serving')]),
  /** Smoke runs tell that a bench works, and no figures. */
  label: Type.Union([Type.Literal('smoke'), Type.Literal('full')]),
  what: Text,
  commit: Text,
  /** Whether the tree had changes; null: not known. */
  dirty: Type.Union([Type.Boolean(), Type.Null()]),
  command: Text,
  startedAt: Type.String({ format: 'date-time' }),
  /** null: not known. */
  seconds: NumberOrNull,
  host: Host,
  /** null: measured on the CPU. */
  device: Type.Union([Device, Type.Null()]),
  /** Absent in results of before 2026-11-23. */
  machine: Type.Optional(Gauges),
  libraries: Versions,
  protocol: Described,
  workload: Described,
  bars: Type.Array(Bar),
  skipped: Type.Array(Skipped),
})

/** One result file. */
export type Result = Static<typeof Envelope> & { cases: MeasuredCase[] }

/** JSON Schema 2020-12 of result files: what is written and read is checked against this. */
export const resultSchema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: `vAttention benchmark result, version ${schemaVersion}`,
  type: 'object',
  properties: {
    ...Envelope.properties,
    cases: { type: 'array', items: { $ref: '#/$defs/MeasuredCase' } },
  },
  required: [...Envelope.required, 'cases'],
  additionalProperties: false,
  $defs: { MeasuredCase, ...sharedForms },
}
