// The forms that cases of bench/gpu have. Everything that reads results reads them as measured cases:
// see ../normal.
import { Type, type Static } from 'typebox'

import {
  closed,
  Count,
  formByKey,
  Latencies,
  named,
  NumberOrNull,
  Ratio,
  Samples,
  Summary,
  Text,
} from './parts.ts'

const Phase = Type.Union([Type.Literal('rounds'), Type.Literal('burst'), Type.Literal('sustained')])

/** Samples of launches, and what the GPU's clock and power were at their time. */
const LaunchSamples = closed({
  ms: Samples,
  smClockMhz: Type.Optional(Samples),
  powerW: Type.Optional(Samples),
  throttleReasons: Type.Optional(Type.Array(Text)),
})

const PrefillCase = closed({
  name: Text,
  length: Count,
  phase: Phase,
  flop: Type.Number(),
  maxError: Type.Optional(NumberOrNull),
  /** Peers only: how PyTorch had its tensors. */
  layout: Type.Optional(Text),
  kvHeads: Type.Optional(Text),
  samples: LaunchSamples,
  summary: closed({
    ms: Summary,
    tflops: Summary,
    tflopsPerGhz: Type.Optional(Summary),
  }),
})

const LengthRatioCase = closed({
  name: Text,
  length: Count,
  phase: Type.Literal('ratio'),
  ratio: Ratio,
})

const CacheScatterCase = closed({ cache: Text, scatter: Type.Number() })

/** Of bench "prefill". */
export const PrefillCases = formByKey<
  Static<typeof PrefillCase> | Static<typeof LengthRatioCase> | Static<typeof CacheScatterCase>
>(
  [
    ['ratio', LengthRatioCase],
    ['scatter', CacheScatterCase],
  ],
  PrefillCase,
)
export type PrefillCases = Static<typeof PrefillCases>

const PyTorchCase = closed({
  name: Text,
  torch: Text,
  cuda: Text,
  cudnn: Type.Union([Type.Number(), Type.Null()]),
  device: Text,
})

/** Of bench "peers". */
export const PeersCases = formByKey<
  Static<typeof PrefillCase> | Static<typeof LengthRatioCase> | Static<typeof PyTorchCase>
>(
  [
    ['ratio', LengthRatioCase],
    ['torch', PyTorchCase],
  ],
  PrefillCase,
)
export type PeersCases = Static<typeof PeersCases>

const batch = { name: Text, sequences: Count, length: Count }

const DecodeCase = closed({
  ...batch,
  bytes: Count,
  maxError: NumberOrNull,
  samples: LaunchSamples,
  summary: closed({
    ms: Summary,
    gigabytesPerSecond: Summary,
    gigabytesPerSecondPerGhz: Type.Optional(Summary),
  }),
})
const BatchRatioCase = closed({ ...batch, phase: Type.Literal('ratio'), ratio: Ratio })
const BatchScatterCase = closed({ ...batch, scatter: named(Type.Number()) })

/** Of bench "decode". */
export const DecodeCases = formByKey<
  Static<typeof DecodeCase> | Static<typeof BatchRatioCase> | Static<typeof BatchScatterCase>
>(
  [
    ['ratio', BatchRatioCase],
    ['scatter', BatchScatterCase],
  ],
  DecodeCase,
)
export type DecodeCases = Static<typeof DecodeCases>

const pages = {
  ...batch,
  layout: Text,
  backend: Text,
  query: Count,
  bar: Type.Number(),
  /** Weight of the case when the bench's time is divided. */
  share: Type.Optional(Type.Number()),
}

const PagesCase = closed({
  ...pages,
  subject: Text,
  maxError: NumberOrNull,
  samples: LaunchSamples,
  summary: closed({
    ms: Summary,
    /** A second. */
    launches: Summary,
    launchesPerGhz: Type.Optional(Summary),
  }),
})
const PagesRatioCase = closed({ ...pages, phase: Type.Literal('ratio'), ratio: Ratio })

/** Of bench "pages". */
export const PagesCases = formByKey<Static<typeof PagesCase> | Static<typeof PagesRatioCase>>(
  [['ratio', PagesRatioCase]],
  PagesCase,
)
export type PagesCases = Static<typeof PagesCases>

const StepsCase = closed({
  part: Type.Literal('steps'),
  name: Text,
  sequences: Count,
  microseconds: Latencies,
  stepsThatMapped: Count,
  crossingShare: Type.Optional(Type.Number()),
})
const PromptsCase = closed({
  part: Type.Literal('prompts'),
  name: Text,
  tokens: Count,
  bytes: Count,
  count: Count,
  samples: closed({ us: Samples, readyUs: Samples }),
  gigabytesPerSecond: closed({
    /** While `step` ran. */
    step: Summary,
    /** Until the pages could be used. */
    ready: Summary,
  }),
})
const OverlapCase = closed({
  part: Type.Literal('overlap'),
  name: Text,
  kind: Type.Union([Type.Literal('demand'), Type.Literal('unthrottled')]),
  backend: Text,
  launches: Count,
  maxError: NumberOrNull,
  samples: closed({ ms: Samples, quietMs: Samples, pagesMapped: Count }),
  ratio: Ratio,
  gigabytesPerSecond: closed({ mapped: NumberOrNull, unmapped: NumberOrNull }),
})

/** Of bench "step". */
export const StepCases = formByKey<
  Static<typeof StepsCase> | Static<typeof PromptsCase> | Static<typeof OverlapCase>
>(
  [
    ['microseconds', StepsCase],
    ['ratio', OverlapCase],
  ],
  PromptsCase,
)
export type StepCases = Static<typeof StepCases>

const NativePasses = closed({
  backend: Text,
  sequences: Count,
  length: Count,
  layers: Count,
  prepareUs: Samples,
  runUs: Samples,
})

/** Of bench "overhead". */
export const OverheadCases = closed({
  backend: Text,
  sequences: Count,
  length: Count,
  layers: Count,
  samples: closed({
    prepareUs: Samples,
    runUs: Samples,
    graph: Type.Optional(
      closed({ prepareUs: Type.Optional(Samples), replayUs: Type.Optional(Samples) }),
    ),
  }),
  /** The same calls from C++, one entry a process. */
  native: Type.Array(NativePasses),
  summary: named(Summary),
})
export type OverheadCases = Static<typeof OverheadCases>

const LaunchCase = closed({
  name: Text,
  backend: Text,
  kernel: Text,
  layers: Count,
  launches: Count,
  maxDifference: NumberOrNull,
  sameBits: Type.Boolean(),
  samples: closed({ ms: named(Samples) }),
  summary: named(Summary),
})
const LaunchRatioCase = closed({ name: Text, phase: Type.Literal('ratio'), ratio: Ratio })
const ClocksCase = closed({
  phase: Type.Literal('clocks'),
  smClockMhz: Type.Optional(NumberOrNull),
  powerW: Type.Optional(NumberOrNull),
  temperatureC: Type.Optional(NumberOrNull),
  throttleReasons: Type.Optional(Type.Array(Text)),
})

/** Of bench "launch". */
export const LaunchCases = formByKey<
  Static<typeof LaunchCase> | Static<typeof LaunchRatioCase> | Static<typeof ClocksCase>
>(
  [
    ['ratio', LaunchRatioCase],
    ['samples', LaunchCase],
  ],
  ClocksCase,
)
export type LaunchCases = Static<typeof LaunchCases>

/** Forms by the name of the bench. */
export const gpuCases = {
  prefill: PrefillCases,
  decode: DecodeCases,
  pages: PagesCases,
  step: StepCases,
  overhead: OverheadCases,
  peers: PeersCases,
  launch: LaunchCases,
} as const
