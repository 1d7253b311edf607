/** What is asked. */
import type { GenerateOptions } from '@vattention/engine'

import type { ServedModel } from './model.ts'

const prompts = [
  'The capital of France is',
  'Water boils at a temperature of',
  'The sun rises in the',
  'Once upon a time, there was a',
]

/** One request for each prompt, greedy, with as many tokens as asked whatever the model says. */
export function requests({ loaded }: ServedModel, maxTokens: number): GenerateOptions[] {
  const { vocabularySize } = loaded.config
  return prompts.map((prompt, i) => ({
    // Random weights have no tokenizer: any tokens will do.
    ...(loaded.tokenizer ? { prompt } : { tokens: madeUpTokens(i, vocabularySize) }),
    maxTokens,
    temperature: 0,
    ignoreEos: true,
    logprobs: 0, // of the chosen tokens only: they come with the margin to the second best
  }))
}

function madeUpTokens(prompt: number, vocabularySize: number): number[] {
  return Array.from(
    { length: 6 + prompt },
    (_, i) => ((prompt + 1) * 7919 + i * 104729) % vocabularySize,
  )
}
