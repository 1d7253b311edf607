import { Type, type Static } from 'typebox'

import { schemaVersion, type Result } from '../schema/result.ts'
import { closed, Count, Text } from '../schema/parts.ts'

/** What the benches of bench/*.mjs wrote around their figures. */
export const environmentKeys = {
  date: Text,
  machine: closed({
    cpu: Text,
    cores: Count,
    isa: Type.Array(Text),
    memoryBytes: Count,
    loadAverage: Type.Array(Type.Number()),
    system: Text,
  }),
  versions: closed({ commit: Text, node: Text, nodeLlamaCpp: Type.Optional(Text) }),
  model: Type.Optional(Text),
}

/** Those keys, and what a bench has besides. */
export const Environment = Type.Object(environmentKeys)
export type Environment = Static<typeof Environment>

/** A result's envelope from an older one; what that does not say is null. */
export function envelopeOf(
  bench: string,
  { date, machine, versions, model }: Environment,
  more: Pick<Result, 'kind' | 'what' | 'command' | 'protocol' | 'workload' | 'bars' | 'cases'>,
): Result {
  const { system, loadAverage, ...host } = machine
  const { commit, node, nodeLlamaCpp } = versions
  return {
    schemaVersion,
    bench,
    label: 'full',
    commit,
    dirty: null,
    startedAt: date,
    seconds: null,
    host: { ...host, os: system, node, loadAverage },
    device: null,
    libraries: nodeLlamaCpp === undefined ? {} : { 'node-llama-cpp': nodeLlamaCpp },
    skipped: [],
    migratedFrom: `${bench}, without a schema version`,
    ...more,
    workload: { ...(model !== undefined && { model }), ...more.workload },
  }
}

/** Percentiles of microseconds as these benches wrote them. */
export const SampledLatencies = closed({
  samples: Count,
  p50: Type.Number(),
  p90: Type.Number(),
  p99: Type.Number(),
  max: Type.Number(),
})

/** Latencies in the form of today. */
export function latenciesOf({ samples: n, ...rest }: Static<typeof SampledLatencies>) {
  return { n, ...rest }
}

/** Shape of a model's cache. */
export const Shape = closed({ layers: Count, kvHeads: Count, headDim: Count, dtype: Text })
