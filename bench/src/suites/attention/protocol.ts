import { availableParallelism } from 'node:os'

import type { NamedShape, OpenSuite, SuiteContext } from '../../suite/index.ts'

/** How all attention suites measure. */
export function attentionProtocol(
  { device }: SuiteContext,
  leastMs: number,
  threads: number | undefined,
): OpenSuite['protocol'] {
  return {
    timer: device.isGpu
      ? 'CUDA events on the launch stream, no wait of the host within a round'
      : 'the host around the calls',
    ...(!device.isGpu && { threads: threads ?? availableParallelism() }),
    order: 'shuffled in every round; ratios within rounds, medians, 95 % bootstrap intervals',
    cache: device.isGpu
      ? 'L2 overwritten before every sample; launches rotate through layers'
      : 'last-level cache overwritten before every sample; launches rotate through layers',
    sample: `launches of at least ${leastMs} ms, or each layer once where all fit into the cache`,
    gate: 'rows of every subject beside attention in double precision, before it is timed',
  }
}

/** What attention is computed over, for reports. */
export function attentionWorkload(shapes: readonly NamedShape[]): OpenSuite['workload'] {
  const [first] = shapes
  return {
    model: shapes.map(({ name }) => name).join(', '),
    ...(shapes.length === 1 &&
      first && { heads: [first.queryHeads, first.kvHeads, first.headDim] }),
    shapes: shapes.map(({ name, layers, queryHeads, kvHeads, headDim }) => ({
      ...{ name, layers, queryHeads, kvHeads, headDim },
    })),
    dtype: first?.dtype ?? null,
    mask: 'causal',
    data: 'random normal; blocks of paged caches in random order',
  }
}
