/**
 * Texts of control tokens that end a turn or a document. Files name one such token; chat models
 * have several.
 */
const endTexts = new Set([
  '<|im_end|>',
  '<|endoftext|>',
  '<|eot_id|>',
  '<|eom_id|>',
  '<|end_of_text|>',
  '<|end|>',
  '</s>',
])

/** Ids in `named`, and those of control tokens whose text ends things, ascending. */
export function findEndTokens(
  named: readonly (number | undefined)[],
  control: Iterable<readonly [id: number, text: string]>,
): number[] {
  const found = new Set(named.filter((id) => id !== undefined))
  for (const [id, text] of control) if (endTexts.has(text)) found.add(id)
  return [...found].sort((a, b) => a - b)
}
