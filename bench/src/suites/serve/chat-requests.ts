import type { GenerateOptions } from '@vattention/engine'

import { randomOf } from '../../harness/index.ts'
import type { ServedModel } from './served-model.ts'

/** Chat requests that come at once: a system prompt that all share, and a question of each. */
export interface ChatLoad {
  readonly requests: number
  /** Words of the system prompt. */
  readonly systemWords: number
  /** Words of the longest question; the shortest has a twentieth of them. */
  readonly questionWords: number
}

/** What a request asks the engine for. */
export type ChatRequest = Pick<GenerateOptions, 'messages' | 'prompt' | 'tokens'>

/** What texts are drawn from: short and long words, of letters that tokenizers know. */
const words = (
  'the memory of a program is divided into pages, and each page may be mapped when it is needed; ' +
  'a sequence that grows by one token asks for another page only at the boundary between them. ' +
  'Whoever reads this answers in plain sentences, without repeating the question, and mentions ' +
  'numbers, names and places where they are known.'
).split(' ')

/** Texts that a tokenizer has to work for; a model without one gets as many random tokens. */
export function chatRequests(
  { text, vocabularySize }: Pick<ServedModel, 'text' | 'vocabularySize'>,
  { requests, systemWords, questionWords }: ChatLoad,
  seed: number,
): ChatRequest[] {
  const shared = randomOf(seed, 1)
  const random = randomOf(seed, 2)
  const said = (count: number, from = random) =>
    Array.from({ length: count }, () => words[from.integer(0, words.length - 1)]!).join(' ')
  // Special tokens come first in most vocabularies.
  const drawn = (count: number, from = random) =>
    Array.from({ length: count }, () =>
      from.integer(Math.floor(vocabularySize / 64), vocabularySize - 1),
    )
  const least = Math.ceil(questionWords / 20)
  const length = (i: number) => least + ((i * 53) % (questionWords - least + 1))
  if (!text) {
    const system = drawn(systemWords, shared)
    return Array.from({ length: requests }, (_, i) => ({
      tokens: Uint32Array.of(...system, ...drawn(length(i))),
    }))
  }
  const system = said(systemWords, shared)
  return Array.from({ length: requests }, (_, i) => text.asked(said(length(i)), system))
}
