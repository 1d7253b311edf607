/**
 * sentencepiece's BPE has no list of merges: it joins the two neighbours whose joined token scores
 * highest. Ranking every split of every token by that score gives the list that other
 * implementations of BPE want.
 */

/**
 * Merges of a vocabulary, best first.
 *
 * @param tokens By id.
 * @param scores By id: higher is joined earlier.
 * @param mergeable Whether a token takes part: control and byte tokens don't.
 */
export function sentencePieceMerges(
  tokens: readonly string[],
  scores: readonly number[],
  mergeable: (id: number) => boolean,
): [left: string, right: string][] {
  const ids = new Map<string, number>()
  for (const [id, token] of tokens.entries()) if (mergeable(id)) ids.set(token, id)

  const merges: { left: string; right: string; score: number; order: number[] }[] = []
  for (const [token, id] of ids) {
    const characters = Array.from(token)
    let left = ''
    for (let i = 0; i < characters.length - 1; i++) {
      left += characters[i]!
      const right = token.slice(left.length)
      const leftId = ids.get(left)
      const rightId = ids.get(right)
      if (leftId === undefined || rightId === undefined) continue
      merges.push({ left, right, score: scores[id]!, order: [leftId, rightId] })
    }
  }
  merges.sort((a, b) => b.score - a.score || a.order[0]! - b.order[0]! || a.order[1]! - b.order[1]!)
  return merges.map(({ left, right }) => [left, right])
}
