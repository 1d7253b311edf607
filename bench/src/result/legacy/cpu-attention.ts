import { Type, type Static } from 'typebox'

import { closed, Count, named, NumberOrNull, Samples, Text } from '../schema/parts.ts'
import { schemaVersion, type Result } from '../schema/result.ts'
import { summaryOf } from '../statistics.ts'
import { legacyForm } from './form.ts'

const Interval = closed({ median: Type.Number(), low: Type.Number(), high: Type.Number() })

const CpuAttention = closed({
  schemaVersion: Type.Literal(1),
  kind: Type.Literal('kernel'),
  date: Text,
  commit: Text,
  machine: closed({
    cpu: Text,
    cores: Count,
    memoryBytes: Count,
    os: Text,
    loadBefore: Type.Array(Type.Number()),
    loadAfter: Type.Array(Type.Number()),
  }),
  versions: closed({ node: Text, cpu: Text, core: Text }),
  subject: closed({ backend: Text, target: Text, threads: Count }),
  seed: Type.Number(),
  overhead: Type.Array(closed({ sequences: Count, callsPerSample: Count, microseconds: Interval })),
  prefill: Type.Array(
    closed({
      model: Text,
      tokens: Count,
      dtype: Text,
      threads: Count,
      gflopPerSecond: Interval,
      samplesGflopPerSecond: Samples,
    }),
  ),
  decode: Type.Array(
    closed({
      model: Text,
      layers: Count,
      queryHeads: Count,
      kvHeads: Count,
      headDim: Count,
      dtype: Text,
      sequences: Count,
      length: Count,
      kvBytes: Count,
      threads: Count,
      rounds: Count,
      gbPerSecond: named(Interval),
      ratios: named(Interval),
      samplesGbPerSecond: named(Samples),
      maxError: Type.Optional(NumberOrNull),
    }),
  ),
})
type CpuAttention = Static<typeof CpuAttention>

/** What the file compares with what, in the names that its subjects have. */
function compared(name: string): { of: string; over: string } {
  const full = (subject: string) =>
    subject === 'split' || subject === 'interleaved' ? `contiguous ${subject}` : subject
  const [of = name, over = ''] = name.split(' / ')
  return { of: full(of), over: full(over) }
}

/** Bars of bench/README.md for this bench; the file itself does not hold them. */
function bars({ decode, overhead }: CpuAttention): Result['bars'] {
  const judge = (
    kind: 'atLeast' | 'atMost',
    name: string,
    { median, low, high }: Static<typeof Interval>,
    bar: number,
    unit?: string,
  ) => {
    const meets = (value: number) => (kind === 'atLeast' ? value >= bar : value <= bar)
    return {
      name,
      value: median,
      low,
      high,
      kind,
      bar,
      met: meets(median),
      decided: meets(low) === meets(high),
      ...(unit !== undefined && { unit }),
    }
  }
  return [
    ...decode.flatMap(({ model, ratios }) => [
      ...(ratios['split / sequential read']
        ? [
            judge(
              'atLeast',
              `${model}: split / sequential read`,
              ratios['split / sequential read'],
              0.8,
            ),
          ]
        : []),
      ...(ratios['split / paged 16']
        ? [judge('atLeast', `${model}: split / paged 16`, ratios['split / paged 16'], 0.97)]
        : []),
    ]),
    ...overhead.map(({ sequences, microseconds }) =>
      judge('atMost', `plan.run, ${sequences} sequences`, microseconds, 2, 'us'),
    ),
  ]
}

/** bench/cpu-attention.mjs: attention on the CPU. */
export const cpuAttention = legacyForm<CpuAttention>(
  'cpu-attention',
  'overhead',
  CpuAttention,
  (found) => {
    const { commit, date, machine, versions, subject, seed, overhead, prefill, decode } = found
    const { os, loadBefore, loadAfter: _, ...host } = machine
    return {
      schemaVersion,
      bench: 'cpu-attention',
      kind: 'kernel',
      label: 'full',
      what: 'Attention on the CPU: decode over 1 GB of KV, prefill, and what a call costs.',
      commit,
      dirty: null,
      command: 'node bench/cpu-attention.mjs --json bench/results/cpu-attention.json',
      startedAt: date,
      seconds: null,
      host: { ...host, os, node: versions.node, loadAverage: loadBefore },
      device: null,
      libraries: { '@vattention/cpu': versions.cpu, '@vattention/core': versions.core },
      protocol: {
        seed,
        order: 'shuffled in every round; ratios within rounds, medians, 95 % bootstrap intervals',
        threads: subject.threads,
        simdTarget: subject.target,
      },
      workload: { models: decode.map(({ model }) => model) },
      bars: bars(found),
      skipped: [],
      migratedFrom: 'cpu-attention, before the common form',
      cases: [
        ...decode.flatMap(({ model, sequences, length: tokens, kvBytes, ...one }) => [
          ...Object.entries(one.gbPerSecond).map(([cache, interval]) => {
            const samples = one.samplesGbPerSecond[cache] ?? []
            return {
              name: `${model}: ${cache}`,
              parameters: { part: 'decode', model, cache, sequences, tokens },
              metrics: {
                gbPerSecond: { ...summaryOf(samples, interval), median: interval.median },
                kvBytes,
              },
              samples: { gbPerSecond: samples },
            }
          }),
          ...Object.entries(one.ratios).map(([name, interval]) => ({
            name: `${model}: ${name}`,
            parameters: { part: 'decode', model, ...compared(name), sequences, tokens },
            metrics: { speedRatio: { n: one.rounds, ...interval } },
          })),
        ]),
        ...prefill.map(({ model, tokens, gflopPerSecond, samplesGflopPerSecond: samples }) => ({
          name: `${model}: prefill of ${tokens} tokens`,
          parameters: { part: 'prefill', model, tokens },
          metrics: {
            gflops: { ...summaryOf(samples, gflopPerSecond), median: gflopPerSecond.median },
          },
          samples: { gflops: samples },
        })),
        ...overhead.map(({ sequences, microseconds }) => ({
          name: `plan.run of ${sequences} sequences`,
          parameters: { part: 'plan.run', sequences },
          metrics: { callUs: { n: null, ...microseconds } },
        })),
      ],
    }
  },
)
