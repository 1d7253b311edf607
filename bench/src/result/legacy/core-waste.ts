import { Type, type Static } from 'typebox'

import { closed, Count, named, Text } from '../schema/parts.ts'
import { envelopeOf, environmentKeys, Shape } from './environment.ts'
import { judged, legacyForm } from './form.ts'

const CoreWaste = closed({
  ...environmentKeys,
  what: Text,
  command: Text,
  shape: Shape,
  maxLength: Count,
  sequences: Count,
  results: named(
    closed({
      boundBytes: Count,
      worstBytes: Count,
      withinBound: Type.Boolean(),
      mixed: closed({ wasteBytes: Count, usedBytes: Count, share: Type.Number() }),
    }),
  ),
})
type CoreWaste = Static<typeof CoreWaste>

/** bench/core-waste.mjs: bytes of pages that hold no token. */
export const coreWaste = legacyForm<CoreWaste>('core-waste', 'maxLength', CoreWaste, (found) => {
  const { what, command, shape, maxLength, sequences, results } = found
  return envelopeOf('core-waste', found, {
    kind: 'memory',
    what,
    command,
    protocol: { counted: 'bytes as the caches tell them; nothing is timed' },
    workload: { shape, maxLength, sequences },
    bars: Object.entries(results).map(([cache, { worstBytes, boundBytes }]) =>
      judged('atMost', `${cache}: waste of one sequence`, worstBytes, boundBytes, 'B'),
    ),
    cases: Object.entries(results).map(([cache, { worstBytes, boundBytes, mixed }]) => ({
      name: `waste, ${cache}`,
      parameters: { cache, sequences },
      metrics: {
        worstSequenceWasteBytes: worstBytes,
        boundBytes,
        mixedWasteBytes: mixed.wasteBytes,
        mixedUsedBytes: mixed.usedBytes,
        mixedWasteShare: mixed.share,
      },
    })),
  })
})
