import { usualTable } from '../quantile-table.ts'
import type { TraceProfile } from '../trace-profile.ts'

/** Long arXiv papers, 64K to 193K tokens; no arrivals. */
export const arxivLongOffline: TraceProfile = {
  name: 'arxiv-long-offline',
  description: 'Long arXiv papers, 64K to 193K tokens; no arrivals.',
  requests: 427,
  promptTokens: usualTable([
    63862, 63866, 63895, 63975, 64302, 64813, 65467, 66225, 66880, 67334, 68158, 68598, 69305,
    70018, 71060, 71727, 72150, 72923, 73712, 74582, 75704, 76934, 77772, 78967, 79673, 81442,
    82760, 84259, 86059, 87781, 90468, 92963, 94878, 97767, 99645, 101736, 105322, 109082, 114754,
    119386, 128535, 139414, 159850, 169372, 183522, 191032, 192786,
  ]),
  outputTokens: usualTable([
    17, 19, 36, 49, 75, 95, 120, 145, 164, 172, 184, 190, 200, 211, 227, 238, 246, 264, 279, 288,
    304, 323, 335, 345, 353, 373, 379, 391, 408, 427, 439, 454, 467, 485, 516, 535, 573, 609, 671,
    700, 795, 918, 1267, 2608, 3033, 4464, 5153,
  ]),
  rankCorrelation: 0,
  published: {
    prompt: { mean: 87426, p50: 78967, p90: 119386, p99: 169372, max: 192786 },
    output: { mean: 428, p50: 345, p90: 700, p99: 2608, max: 5153 },
  },
}
