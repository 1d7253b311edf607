import { usualTable } from '../quantile-table.ts'
import type { TraceProfile } from '../trace-profile.ts'

/** Summaries of arXiv papers, 4K to 32K tokens; no arrivals. */
export const arxivSample: TraceProfile = {
  name: 'arxiv-sample',
  description: 'Summaries of arXiv papers, 4K to 32K tokens; no arrivals.',
  requests: 2895,
  promptTokens: usualTable([
    4097, 4101, 4126, 4182, 4277, 4434, 4611, 4781, 4949, 5115, 5276, 5425, 5582, 5731, 5892, 6082,
    6339, 6515, 6694, 6937, 7143, 7351, 7633, 7958, 8280, 8614, 8974, 9312, 9713, 10171, 10734,
    11354, 12151, 13188, 14147, 16393, 16863, 17299, 17851, 18490, 19387, 20684, 22869, 23903,
    24838, 26602, 27847, 28860, 30139, 31042, 31531, 31805,
  ]),
  outputTokens: usualTable([
    105, 108, 125, 129, 142, 159, 171, 180, 191, 199, 209, 218, 227, 235, 242, 250, 259, 268, 276,
    286, 297, 309, 320, 332, 344, 356, 370, 385, 402, 420, 435, 450, 466, 482, 498, 522, 542, 569,
    602, 653, 754, 916, 1738, 2130, 2973, 3998, 5121, 5990, 7149, 9250, 9809, 11452,
  ]),
  rankCorrelation: 0.3,
  largestRatio: 40,
  published: {
    prompt: { mean: 10041, p50: 7958, p90: 18489, p99: 26562, max: 31805 },
    output: { mean: 471, p50: 332, p90: 653, p99: 3937, max: 11452 },
    rankCorrelation: 0.7,
  },
}
