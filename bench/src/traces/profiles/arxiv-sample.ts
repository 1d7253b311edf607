import { usualTable } from '../quantile-table.ts'
import type { TraceProfile } from '../trace-profile.ts'

/** Summaries of arXiv papers, 4K to 32K tokens; no arrivals. */
export const arxivSample: TraceProfile = {
  name: 'arxiv-sample',
  description: 'Summaries of arXiv papers, 4K to 32K tokens; no arrivals.',
  requests: 2895,
  promptTokens: usualTable([
    4097, 4102, 4132, 4184, 4278, 4436, 4611, 4781, 4950, 5115, 5276, 5425, 5582, 5733, 5893, 6083,
    6339, 6516, 6694, 6937, 7143, 7351, 7633, 7958, 8280, 8614, 8973, 9311, 9713, 10170, 10733,
    11353, 12150, 13186, 14143, 16386, 16859, 17296, 17850, 18489, 19386, 20676, 22860, 26562,
    28845, 30753, 31805,
  ]),
  outputTokens: usualTable([
    105, 108, 125, 129, 142, 159, 171, 180, 191, 199, 209, 218, 227, 235, 242, 250, 259, 268, 276,
    286, 297, 309, 320, 332, 344, 356, 370, 385, 402, 420, 435, 450, 466, 482, 498, 521, 542, 569,
    601, 653, 754, 909, 1734, 3937, 5809, 9159, 11452,
  ]),
  rankCorrelation: 0.7,
  largestRatio: 40,
  published: {
    prompt: { mean: 10041, p50: 7958, p90: 18489, p99: 26562, max: 31805 },
    output: { mean: 471, p50: 332, p90: 653, p99: 3937, max: 11452 },
  },
}
