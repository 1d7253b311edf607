import { usualTable } from '../quantile-table.ts'
import type { TraceProfile } from '../trace-profile.ts'

/** Long arXiv papers, 64K to 193K tokens; no arrivals. */
export const arxivLongOffline: TraceProfile = {
  name: 'arxiv-long-offline',
  description: 'Long arXiv papers, 64K to 193K tokens; no arrivals.',
  requests: 427,
  promptTokens: usualTable([
    63862, 63862, 63880, 63970, 64258, 64783, 65462, 66220, 66870, 67320, 68139, 68582, 69278,
    70016, 71043, 71710, 72148, 72908, 73700, 74579, 75694, 76933, 77766, 78967, 79674, 81442,
    82762, 84265, 86064, 87811, 90492, 92980, 94898, 97769, 99659, 101760, 105708, 109248, 114906,
    119451, 128607, 139793, 160231, 161238, 163437, 171725, 180638, 185816, 190449, 192786, 192786,
    192786,
  ]),
  outputTokens: usualTable([
    17, 17, 31, 45, 74, 95, 117, 144, 164, 172, 183, 190, 199, 211, 227, 238, 246, 263, 279, 288,
    304, 323, 335, 345, 353, 373, 379, 391, 408, 427, 439, 454, 467, 487, 516, 536, 575, 613, 672,
    701, 798, 922, 1303, 1509, 2375, 2625, 2800, 3250, 4235, 5153, 5153, 5153,
  ]),
  rankCorrelation: 0,
  published: {
    prompt: { mean: 87426, p50: 78967, p90: 119386, p99: 169372, max: 192786 },
    output: { mean: 428, p50: 345, p90: 700, p99: 2608, max: 5153 },
    rankCorrelation: 0,
  },
}
