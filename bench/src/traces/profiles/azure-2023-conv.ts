import { usualTable } from '../quantile-table.ts'
import { gapProbabilities } from './gap-probabilities.ts'
import type { TraceProfile } from '../trace-profile.ts'

/** Azure LLM inference trace 2023, conversation: nearly Poisson. */
export const azureConversation: TraceProfile = {
  name: 'azure-2023-conv',
  description: 'Azure LLM inference trace 2023, conversation: nearly Poisson.',
  requests: 19366,
  promptTokens: usualTable([
    2, 8, 16, 29, 120, 181, 200, 207, 235, 372, 379, 387, 393, 396, 400, 403, 407, 414, 428, 703,
    922, 984, 1005, 1020, 1034, 1045, 1058, 1071, 1083, 1097, 1112, 1130, 1153, 1189, 1277, 1315,
    1435, 1877, 2310, 2735, 4075, 4083, 4092, 4098, 4110, 4142, 4180, 4831, 5416, 6221, 6724, 14050,
  ]),
  outputTokens: usualTable([
    7, 12, 14, 16, 28, 41, 48, 54, 60, 67, 72, 77, 82, 85, 88, 91, 93, 96, 99, 103, 108, 113, 120,
    129, 139, 151, 162, 177, 195, 217, 373, 384, 391, 395, 396, 400, 406, 411, 416, 424, 430, 451,
    522, 540, 571, 601, 617, 644, 720, 954, 1000, 1000,
  ]),
  rankCorrelation: 0.07,
  arrivals: {
    kind: 'gaps',
    gapSeconds: {
      probabilities: gapProbabilities,
      values: [
        0.000002, 0.000007, 0.000188, 0.0005399, 0.001821, 0.006319, 0.01119, 0.01613, 0.0215,
        0.02641, 0.03143, 0.03651, 0.04244, 0.04827, 0.05445, 0.06072, 0.06712, 0.07346, 0.08024,
        0.08725, 0.09401, 0.1019, 0.1093, 0.1184, 0.1282, 0.1376, 0.1477, 0.1587, 0.171, 0.1832,
        0.197, 0.2136, 0.2292, 0.2467, 0.2659, 0.2889, 0.315, 0.3459, 0.3781, 0.4207, 0.478, 0.5653,
        0.7051, 0.7493, 0.8063, 0.8906, 0.9518, 1.044, 1.088, 1.173, 1.251, 1.322, 1.431, 1.529,
        1.739, 1.827, 1.919, 2.657, 3.112, 4.315,
      ],
    },
    slowShare: 0.045,
    slowPersistence: 0.9985,
  },
  published: {
    prompt: { mean: 1155, p50: 1020, p90: 2734, p99: 4142, max: 14050 },
    output: { mean: 211, p50: 129, p90: 424, p99: 601, max: 1000 },
    rankCorrelation: 0.07,
  },
}
