import type { Result } from '../../result/index.ts'
import { requestsForP99 } from '../../serving/index.ts'
import { rateTolerance } from '../../traces/index.ts'
import { mostMargin } from './check-candidate.ts'
import type { ServeKind, ServeOptions } from './serve-options.ts'
import type { ServedModel } from './served-model.ts'
import { fittingShare, type Workload } from './workload.ts'

/** How serving is measured. */
export function serveProtocol(kind: ServeKind, options: ServeOptions): Result['protocol'] {
  const { rounds, serviceLevel, maxSequences, limitBytes } = options
  return {
    order:
      'every round serves with each candidate once, in an order of its own; ratios within rounds',
    isolation:
      'each run has an engine and a cache of its own, and prompts of a new seed in every round: no run finds prompts of another',
    warmUp:
      'before each run all its requests take their memory once and give it back to the cache, then two requests with other prompts are served, which do not count',
    check: `greedy answers are those of requests served one by one over a split cache without sharing, until the best two logits are within ${mostMargin}`,
    output: 'exact lengths: the end of a sequence is ignored; greedy',
    client: 'in the process of the engine; its lateness is among the figures',
    loop:
      kind === 'offline'
        ? 'all requests are sent at once'
        : 'open: arrivals ignore completions; latency counts from the scheduled time',
    ...(kind === 'online' && {
      loads:
        'shares of the requests per second that the first cache without sharing serves offline',
      rateTolerance,
      eventLoop:
        'beside chat requests that come at once and are streamed within the process: how late a timer of 1 ms is',
    }),
    ttft: 'first chunk - scheduled time',
    tpot: '(E2E - TTFT) / (output tokens - 1)',
    itl: 'gaps between chunks, pooled over requests; its samples are not kept',
    e2e: 'last chunk - scheduled time',
    makespan: 'last completion - first scheduled time',
    latencies: `of all rounds' requests together; p99 of ${requestsForP99} requests and more`,
    memory: 'largest at the end of a pass',
    rounds,
    maxSequences,
    limitBytes,
    serviceLevel: serviceLevel === null ? null : { ...serviceLevel },
  }
}

/** What is served: the traces, and the rule by which they were scaled. */
export function serveWorkload(
  workloads: readonly Workload[],
  { shape, scarceShare }: ServeOptions,
  model: ServedModel,
): Result['workload'] {
  return {
    model: model.name,
    weights: shape === undefined ? model.weights : `random ${model.weights}`,
    scaleRule: `the first rows; all lengths, and blocks, divided by one factor and rounded up: the smallest power of two with which ${100 * fittingShare} % of the rows fit, unless it was given; rows that are too long even so are left out; arrivals by one factor`,
    scarceShare,
    traces: workloads.map(({ name, trace: { source }, scale, longest, tokens, ...rest }) => ({
      name,
      ...(source.kind === 'file'
        ? { file: source.file, sha256: source.sha256 }
        : { profile: source.profile, seed: source.seed }),
      ...scale,
      longestTokens: longest,
      totalTokens: tokens,
      commonTokens: rest.commonTokens,
      ceilingHitShare: rest.ceilingHitShare,
    })),
  }
}
