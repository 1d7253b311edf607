import { arrangedBy, drawn, stratified, type QuantileTable } from './quantile-table.ts'
import { nearlyNormal, type Random } from '../harness/random.ts'

/** Numbers of tokens of the requests of a trace. */
export interface Lengths {
  /** `[requests]` */
  readonly promptTokens: number[]
  /** `[requests]` */
  readonly outputTokens: number[]
}

/** Prompt lengths in random order, whole tokens. `[count]` */
export function generatePrompts(table: QuantileTable, count: number, random: Random): number[] {
  return drawn(table, count, random).map(Math.round)
}

/**
 * Output lengths of their own distribution, ordered so that they go with the prompts as far as the
 * rank correlation says. `[prompts]`
 *
 * @param promptTokens `[requests]`
 * @param rankCorrelation Spearman's, -1 to 1.
 */
export function generateOutputs(
  table: QuantileTable,
  promptTokens: readonly number[],
  rankCorrelation: number,
  random: Random,
): number[] {
  const count = promptTokens.length
  // Normal scores of the prompts' ranks, and noise beside them: a Gaussian copula. Spearman's
  // coefficient is (6 / pi) * asin(r / 2); r is a little larger, by the inverse of that.
  // (A platform's last bit of the sine moves no rank.)
  const r = 2 * Math.sin((Math.PI / 6) * rankCorrelation)
  const scores = Array.from({ length: count }, () => nearlyNormal(random)).sort((a, b) => a - b)
  const ofPrompt = arrangedBy(scores, promptTokens)
  const noise = Math.sqrt(1 - r * r)
  const keys = ofPrompt.map((score) => r * score + noise * nearlyNormal(random))
  return arrangedBy(stratified(table, count, random), keys).map(Math.round)
}

/**
 * Swaps outputs, in place, until no prompt is longer than `largestRatio` times its output, as far as
 * swaps of two rows can: their distribution stays.
 */
export function limitRatio(
  { promptTokens, outputTokens }: Lengths,
  largestRatio: number,
  random: Random,
): void {
  const count = promptTokens.length
  const fits = (prompt: number, output: number) => prompt <= largestRatio * output
  for (let i = 0; i < count; i++) {
    const [prompt, output] = [promptTokens[i]!, outputTokens[i]!]
    if (fits(prompt, output)) continue
    // From a random row on, or the first rows would get all the short outputs.
    const start = random.integer(0, count - 1)
    for (let step = 0; step < count; step++) {
      const j = (start + step) % count
      const other = outputTokens[j]!
      if (!fits(prompt, other) || !fits(promptTokens[j]!, output)) continue
      outputTokens[i] = other
      outputTokens[j] = output
      break
    }
  }
}
