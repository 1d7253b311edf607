import type { Engine } from '@vattention/engine'

/** Tokens of a greedy answer, and how close each choice was. */
export interface GreedyAnswer {
  readonly tokens: readonly number[]
  /** Logits between the best two, of each token. */
  readonly margins: readonly number[]
}

/** Where two answers part. */
export interface Parting {
  /** Which token, from 0. */
  readonly at: number
  /** Undefined where that answer has ended. */
  readonly ours: number | undefined
  readonly theirs: number | undefined
  readonly ourMargin: number | undefined
  readonly theirMargin: number | undefined
}

/** The first token in which two answers differ; undefined when they are the same. */
export function partingOf(ours: GreedyAnswer, theirs: GreedyAnswer): Parting | undefined {
  const length = Math.max(ours.tokens.length, theirs.tokens.length)
  for (let at = 0; at < length; at++) {
    if (ours.tokens[at] === theirs.tokens[at]) continue
    return {
      at,
      ours: ours.tokens[at],
      theirs: theirs.tokens[at],
      ourMargin: ours.margins[at],
      theirMargin: theirs.margins[at],
    }
  }
  return undefined
}

/** The engine's answer, to its own end: the token that ends it is a part of it. */
export async function greedyAnswer(
  engine: Pick<Engine, 'generate'>,
  tokens: Uint32Array,
  maxTokens: number,
  signal: AbortSignal,
): Promise<GreedyAnswer> {
  const request = { tokens, maxTokens, temperature: 0, logprobs: 2, signal }
  const { logprobs = [] } = await engine.generate(request).result
  return {
    tokens: logprobs.map(({ token }) => token),
    margins: logprobs.map(({ margin }) => margin),
  }
}
