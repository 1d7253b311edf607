import type { Static } from 'typebox'
import { Type } from 'typebox'

import { closed, Count, named, Text } from '../schema/parts.ts'
import { envelopeOf, environmentKeys, latenciesOf, SampledLatencies, Shape } from './environment.ts'
import { judged, legacyForm } from './form.ts'

const PagedStep = closed({
  ...environmentKeys,
  what: Text,
  command: Text,
  sequences: Count,
  blockTokens: Count,
  shape: Shape,
  bars: closed({ stepNothingToDoP99: Type.Number() }),
  microseconds: named(SampledLatencies),
})
type PagedStep = Static<typeof PagedStep>

const words = (key: string) =>
  key
    .replaceAll(/([A-Z]|\d+)/g, ' $1')
    .toLowerCase()
    .trim()

/** bench/paged-step.mjs: calls of the paged cache on the CPU. */
export const pagedStep = legacyForm<PagedStep>('paged-step', 'microseconds', PagedStep, (found) => {
  const { what, command, sequences, blockTokens, shape, bars, microseconds } = found
  const idle = microseconds.stepNothingToDo
  return envelopeOf('paged-step', found, {
    kind: 'memory',
    what,
    command,
    protocol: { timer: 'the host, around one call from JavaScript' },
    workload: { shape, sequences, blockTokens },
    bars: idle
      ? [
          judged(
            'atMost',
            `step of ${sequences} sequences, nothing to do: p99`,
            idle.p99,
            bars.stepNothingToDoP99,
            'us',
          ),
        ]
      : [],
    cases: Object.entries(microseconds).map(([call, one]) => ({
      name: `paged cache: ${words(call)}`,
      parameters: { call: words(call) },
      metrics: { callUs: latenciesOf(one) },
    })),
  })
})
