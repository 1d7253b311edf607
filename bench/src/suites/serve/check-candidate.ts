import type { Engine, TokenLogprobs } from '@vattention/engine'

import { WrongResult } from '../../harness/index.ts'
import { namedCache } from '../../suite/index.ts'
import type { Candidate } from './candidates.ts'
import type { ServedModel } from './served-model.ts'

/** How far apart the two best logits may be where two answers part: rounding decides nothing more. */
export const mostMargin = 0.1

/** Answers that candidates are compared with. */
export interface Reference {
  readonly prompts: readonly Uint32Array[]
  /** Greedy tokens of each prompt, with the margin of each choice. */
  readonly answers: readonly (readonly Pick<TokenLogprobs, 'token' | 'margin'>[])[]
}

/** Three prompts with a common beginning of three blocks, so that sharing has something to share. */
const checked = { prompts: 3, commonTokens: 48, ownTokens: 9, outputTokens: 8 } as const

const longest = checked.commonTokens + checked.ownTokens + checked.outputTokens

const optionsOf = (limitBytes: number) => ({
  limitBytes,
  maxSequences: checked.prompts,
  maxLength: longest,
})

/**
 * Answers of requests that are served one by one, over one tensor for each layer, and without
 * sharing: nothing that candidates differ in plays a part.
 *
 * @param prompts See `checkPrompts`.
 * @param limitBytes Memory of the cache.
 */
export async function referenceOf(
  model: ServedModel,
  prompts: readonly Uint32Array[],
  limitBytes: number,
): Promise<Reference> {
  const candidate = { name: 'reference', cache: namedCache('split'), prefixSharing: false }
  const served = await model.open(candidate, optionsOf(limitBytes))
  try {
    const answers = []
    for (const prompt of prompts) answers.push(await answerOf(served.engine, prompt))
    return { prompts, answers }
  } finally {
    await served[Symbol.asyncDispose]()
  }
}

/** Prompts for the comparison. @param integer A random whole number of `least..most`. */
export function checkPrompts(
  integer: (least: number, most: number) => number,
  vocabularySize: number,
): Uint32Array[] {
  const draw = (count: number) =>
    Uint32Array.from({ length: count }, () =>
      integer(Math.floor(vocabularySize / 64), vocabularySize - 1),
    )
  const common = draw(checked.commonTokens)
  return Array.from({ length: checked.prompts }, () =>
    Uint32Array.of(...common, ...draw(checked.ownTokens)),
  )
}

/**
 * Serves the prompts with a candidate, the first by itself and the others together, and compares its
 * greedy answers with the reference's.
 *
 * @throws WrongResult when an answer differs where the choice was not close
 */
export async function checkCandidate(
  model: ServedModel,
  candidate: Candidate,
  { prompts, answers }: Reference,
  limitBytes: number,
): Promise<void> {
  const served = await model.open(candidate, optionsOf(limitBytes))
  try {
    const { engine } = served
    const found = [await answerOf(engine, prompts[0]!)]
    found.push(...(await Promise.all(prompts.slice(1).map((prompt) => answerOf(engine, prompt)))))
    for (const [i, expected] of answers.entries()) {
      const at = expected.findIndex(({ token }, j) => found[i]![j]?.token !== token)
      if (at < 0 || expected[at]!.margin <= mostMargin) continue
      throw new WrongResult(
        `prompt ${i}, token ${at}: ${found[i]![at]?.token} instead of ${expected[at]!.token}, ` +
          `which leads by ${expected[at]!.margin.toPrecision(3)} logits`,
      )
    }
  } finally {
    await served[Symbol.asyncDispose]()
  }
}

async function answerOf(engine: Engine, tokens: Uint32Array): Promise<readonly TokenLogprobs[]> {
  const { outputTokens: maxTokens } = checked
  const { logprobs = [] } = await engine.generate({
    tokens,
    maxTokens,
    ignoreEos: true,
    temperature: 0,
    logprobs: 2,
  }).result
  if (logprobs.length === maxTokens) return logprobs
  throw new WrongResult(`an answer has ${logprobs.length} tokens instead of ${maxTokens}`)
}
