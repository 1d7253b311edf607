import { Type, type Static } from 'typebox'

import { closed, Count, named, Samples, Text } from '../schema/parts.ts'
import { summaryOf } from '../statistics.ts'
import { envelopeOf, environmentKeys } from './environment.ts'
import { judged, legacyForm } from './form.ts'

const VersusLlama = closed({
  ...environmentKeys,
  model: Text,
  cache: Text,
  threads: Count,
  repeats: Count,
  cases: Type.Array(
    closed({
      name: Text,
      vattention: Type.Number(),
      llama: Type.Number(),
      ratio: Type.Number(),
      bar: Type.Number(),
    }),
  ),
  runs: closed({ vattention: named(Samples), llama: named(Samples) }),
})
type VersusLlama = Static<typeof VersusLlama>

/** bench/engine-vs-llama.mjs: tokens a second of two engines, one after the other. */
export const versusLlama = legacyForm<VersusLlama>(
  'engine-vs-llama',
  'runs',
  VersusLlama,
  (found) => {
    const { cache, threads, repeats, cases, runs } = found
    const engines = { vattention: runs.vattention, 'node-llama-cpp': runs.llama }
    return envelopeOf('engine-vs-llama', found, {
      kind: 'serving',
      what: 'Tokens per second of the engine and of node-llama-cpp, on the same file and threads.',
      command: 'node bench/engine-vs-llama.mjs',
      protocol: {
        order: 'engines in processes of their own, one after the other',
        repeats,
        ratio: 'of medians: there are no common rounds, and so no interval',
      },
      workload: { cache, threads },
      bars: cases.map(({ name, ratio, bar }) =>
        judged('atLeast', `${name}: vattention / node-llama-cpp`, ratio, bar),
      ),
      cases: [
        ...Object.entries(engines).flatMap(([engine, tasks]) =>
          Object.entries(tasks).map(([task, samples]) => ({
            name: `${engine}: ${task}`,
            parameters: { engine, task },
            metrics: { tokensPerSecond: summaryOf(samples) },
            samples: { tokensPerSecond: samples },
          })),
        ),
        ...cases.map(({ name: task, ratio }) => ({
          name: `${task}: vattention / node-llama-cpp`,
          parameters: { of: 'vattention', over: 'node-llama-cpp', task },
          metrics: { speedRatio: ratio },
        })),
      ],
    })
  },
)
