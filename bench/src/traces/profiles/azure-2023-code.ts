import { usualTable } from '../quantile-table.ts'
import { gapProbabilities } from './gap-probabilities.ts'
import type { TraceProfile } from '../trace-profile.ts'

/** Azure LLM inference trace 2023, code: bursts and silences. */
export const azureCode: TraceProfile = {
  name: 'azure-2023-code',
  description: 'Azure LLM inference trace 2023, code: bursts and silences.',
  requests: 8819,
  promptTokens: usualTable([
    3, 7, 12, 17, 44, 75, 102, 147, 185, 232, 299, 385, 484, 578, 679, 770, 863, 938, 1015, 1075,
    1153, 1261, 1370, 1469, 1585, 1690, 1798, 1909, 2048, 2164, 2305, 2433, 2578, 2745, 2943, 3193,
    3538, 3922, 4434, 5191, 6097, 7309, 7435, 7436, 7436, 7436, 7436, 7436, 7436, 7437, 7437, 7437,
  ]),
  outputTokens: usualTable([
    6, 6, 6, 6, 6, 6, 6, 7, 7, 7, 8, 8, 9, 9, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13, 14, 14, 15, 16,
    16, 18, 19, 20, 22, 24, 26, 29, 33, 39, 46, 55, 69, 90, 145, 172, 201, 252, 288, 361, 603, 829,
    898, 1899,
  ]),
  rankCorrelation: -0.02,
  arrivals: {
    kind: 'gaps',
    gapSeconds: {
      probabilities: gapProbabilities,
      values: [
        0.000006, 0.000006, 0.000007, 0.000022, 0.000052, 0.000088, 0.000141, 0.000209, 0.0006827,
        0.000885, 0.001022, 0.001184, 0.001671, 0.002077, 0.002624, 0.003292, 0.004118, 0.005341,
        0.007497, 0.0151, 0.02722, 0.03822, 0.05099, 0.0638, 0.07739, 0.08956, 0.09298, 0.09499,
        0.09653, 0.09795, 0.09912, 0.1001, 0.1015, 0.104, 0.1229, 0.1601, 0.193, 0.1988, 0.2039,
        0.273, 0.3023, 0.4008, 0.676, 0.7988, 1.1, 2.205, 3.538, 10.2, 18.01, 28.17, 42.91, 52.03,
        81.38, 90.19, 130.7, 141.4, 156.1, 170.8, 196.7, 217.2,
      ],
    },
    slowShare: 0.155,
    slowPersistence: 0.985,
  },
  published: {
    prompt: { mean: 2048, p50: 1469, p90: 5188, p99: 7436, max: 7437 },
    output: { mean: 27.9, p50: 13, p90: 55, p99: 251, max: 1899 },
    rankCorrelation: -0.02,
  },
}
