import type { AskedPrompt } from '../serve/model-text.ts'
import type { EngineCells } from './engine-cells.ts'

/** A question as both engines get it. */
export interface GreedyQuestion extends AskedPrompt {
  readonly question: string
}

/** What both engines are asked, and how many tokens they may answer. */
export interface GreedyQuestions {
  readonly asked: readonly GreedyQuestion[]
  readonly maxTokens: number
  /** Tokens of the longest prompt and its answer. */
  readonly longest: number
}

/** Which questions, and tokens of an answer. In a smoke run two whose answers do not end soon. */
const compared = {
  full: { from: 0, to: 8, tokens: 128 },
  quick: { from: 1, to: 3, tokens: 24 },
} as const

const questions = [
  'What is the capital of France?',
  'Write a short poem about the sea.',
  'Explain photosynthesis to a child.',
  'List three uses of a paperclip.',
  'Why is the sky blue?',
  'Translate "good morning" into Spanish and German.',
  'Write a Python function that adds two numbers.',
  'What should I cook with eggs, rice and spinach?',
]

/** @throws when the model has no tokenizer */
export function greedyQuestions({ context, model }: EngineCells): GreedyQuestions {
  const { text } = model
  if (!text) throw new Error('a model without a tokenizer cannot be asked anything')
  const { from, to, tokens: maxTokens } = compared[context.settings.quick ? 'quick' : 'full']
  const asked = questions.slice(from, to).map((question) => ({
    question,
    ...text.prompt(question),
  }))
  const longest = Math.max(...asked.map(({ tokens }) => tokens.length)) + maxTokens
  return { asked, maxTokens, longest }
}
