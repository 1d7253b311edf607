import { Type, type Static } from 'typebox'

import { closed, Count, Text } from '../schema/parts.ts'
import { envelopeOf, environmentKeys, latenciesOf, SampledLatencies, Shape } from './environment.ts'
import { judged, legacyForm } from './form.ts'

const Turnover = closed({
  steps: Count,
  mappedSync: Count,
  withPrompt: Count,
  withPromptMappedSync: Count,
  turnovers: Count,
  shareWithoutDriverCall: Type.Number(),
  microseconds: SampledLatencies,
  totalBytes: Count,
  neededBytes: Count,
  wasteBytes: Count,
  driverCalls: Count,
  adoptions: Count,
})

const CoreStep = closed({
  ...environmentKeys,
  what: Text,
  command: Text,
  layout: Text,
  shape: Shape,
  paceMs: Type.Number(),
  bars: closed({ nothingToMap256P99Us: Type.Number(), shareWithoutDriverCall: Type.Number() }),
  nothingToMap256: SampledLatencies,
  turnover64: closed({ mapperOn: Turnover, mapperOff: Turnover }),
})
type CoreStep = Static<typeof CoreStep>

/** bench/core-step.mjs: steps of the contiguous cache on the CPU. */
export const coreStep = legacyForm<CoreStep>('core-step', 'nothingToMap256', CoreStep, (found) => {
  const { what, command, layout, shape, paceMs, bars, nothingToMap256, turnover64 } = found
  const turnovers = Object.entries(turnover64).map(([key, one]) => {
    const mapper = key === 'mapperOn'
    return {
      name: `step of 64 sequences with turnover, mapper ${mapper ? 'on' : 'off'}`,
      parameters: { load: 'turnover', sequences: 64, mapper },
      metrics: {
        stepUs: latenciesOf(one.microseconds),
        stepsWithoutDriverCallShare: one.shareWithoutDriverCall,
        heldBytes: one.totalBytes,
        neededBytes: one.neededBytes,
        driverCallsCount: one.driverCalls,
      },
    }
  })
  return envelopeOf('core-step', found, {
    kind: 'memory',
    what,
    command,
    protocol: { timer: 'the host, around one call from JavaScript', paceMs },
    workload: { layout, shape },
    bars: [
      judged(
        'atMost',
        'step of 256 sequences, nothing to map: p99',
        nothingToMap256.p99,
        bars.nothingToMap256P99Us,
        'us',
      ),
      judged(
        'atLeast',
        '64 sequences with turnover: steps without a driver call',
        turnover64.mapperOn.shareWithoutDriverCall,
        bars.shareWithoutDriverCall,
        'share',
      ),
    ],
    cases: [
      {
        name: 'step of 256 sequences, nothing to map',
        parameters: { load: 'nothing to map', sequences: 256, mapper: true },
        metrics: { stepUs: latenciesOf(nothingToMap256) },
      },
      ...turnovers,
    ],
  })
})
