import { basename } from 'node:path'

import { randomOf } from '../../harness/index.ts'
import {
  fittingDivisor,
  generateTrace,
  prefixCeiling,
  promptTokensOf,
  readTrace,
  scaleTrace,
  type Trace,
  type TraceRequest,
  type TraceScale,
} from '../../traces/index.ts'
import type { ServedModel } from './served-model.ts'
import type { ServeOptions } from './serve-options.ts'

/** Of the rows, so many at least fit when nobody says what lengths are divided by. */
export const fittingShare = 0.9

/** A trace as a suite serves it. */
export interface Workload {
  /** For people. */
  readonly name: string
  readonly trace: Trace
  readonly scale: TraceScale
  /** Tokens of the longest request. */
  readonly longest: number
  /** Prompt and output of all requests. */
  readonly tokens: number
  /** Tokens that were put before every prompt: where the trace says nothing of common beginnings. */
  readonly commonTokens: number
  /** Share of prompt tokens that an infinite prefix cache finds; null: nothing is known to be shared. */
  readonly ceilingHitShare: number | null
  /** Tokens of a row's prompt, others for each seed. */
  prompt(row: number, seed: number): Uint32Array
}

/** Reads or makes the traces that the options name, and scales each to the model and the options. */
export async function openWorkloads(
  options: ServeOptions,
  model: Pick<ServedModel, 'vocabularySize' | 'contextLength'>,
  seed: number,
): Promise<Workload[]> {
  const { traces, profiles, requests } = options
  const found =
    traces === undefined
      ? profiles.map((name) => ({ name, trace: generateTrace(name, { requests, seed }) }))
      : await Promise.all(
          traces.map(async (file) => ({
            name: basename(file),
            trace: await readTrace(file, { maxRows: requests }),
          })),
        )
  return found.map(({ name, trace }) => workloadOf(name, trace, options, model))
}

/**
 * Scales a trace: its first rows, lengths divided by one factor; what is too long even so is left out.
 * Where the trace has no block hashes, all prompts get a common beginning, as of a system prompt.
 *
 * @throws `ERR_VATTENTION_TRACE_SCALE` when that cannot be
 */
export function workloadOf(
  name: string,
  trace: Trace,
  options: Pick<ServeOptions, 'requests' | 'maxTotalTokens' | 'lengthDivisor' | 'commonTokens'>,
  { vocabularySize, contextLength }: Pick<ServedModel, 'vocabularySize' | 'contextLength'>,
): Workload {
  const commonTokens = trace.blockTokens === undefined ? options.commonTokens : 0
  const maxTotalTokens = Math.min(options.maxTotalTokens, contextLength - commonTokens)
  const cut = { ...trace, requests: trace.requests.slice(0, options.requests) }
  const lengthDivisor = options.lengthDivisor ?? divisorOf(cut, maxTotalTokens)
  const { trace: scaled, scale } = scaleTrace(cut, { lengthDivisor, maxTotalTokens })
  const totals = scaled.requests.map((one) => commonTokens + one.promptTokens + one.outputTokens)
  // Special tokens come first in most vocabularies.
  const drawn = { firstToken: Math.floor(vocabularySize / 64), vocabularySize }
  return {
    name,
    trace: scaled,
    scale,
    longest: Math.max(...totals),
    tokens: totals.reduce((sum, one) => sum + one, 0),
    commonTokens,
    ceilingHitShare: ceilingOf(scaled, commonTokens),
    prompt: (row, seed) => {
      const own = promptTokensOf(scaled, row, { ...drawn, seed })
      const random = randomOf(seed, commonStream)
      const { firstToken } = drawn
      const draw = () => random.integer(firstToken, vocabularySize - 1)
      return Uint32Array.of(...Array.from({ length: commonTokens }, draw), ...own)
    },
  }
}

/** Of the random numbers that common beginnings are made of: no row or block has this number. */
const commonStream = -1

function divisorOf(trace: Trace, maxTotalTokens: number): number {
  const length = (one: TraceRequest) => one.promptTokens + one.outputTokens
  const ascending = [...trace.requests].sort((a, b) => length(a) - length(b))
  const requests = ascending.slice(0, Math.ceil(fittingShare * ascending.length))
  return fittingDivisor({ ...trace, requests }, maxTotalTokens)
}

function ceilingOf(trace: Trace, commonTokens: number): number | null {
  if (trace.blockTokens !== undefined) return prefixCeiling(trace).tokenRate
  if (commonTokens === 0) return null
  const { requests } = trace
  const promptTokens = requests.reduce((sum, one) => sum + commonTokens + one.promptTokens, 0)
  return (commonTokens * (requests.length - 1)) / promptTokens
}
