/** One pass over the first sequences of a cache: their new tokens, and tokens after the pass. */
export interface AttentionPass {
  readonly queryLengths: readonly number[]
  readonly kvLengths: readonly number[]
}

/** All sequences alike: `query` new tokens of `kv` in all. */
export const uniformPass = (sequences: number, query: number, kv: number): AttentionPass => ({
  queryLengths: new Array<number>(sequences).fill(query),
  kvLengths: new Array<number>(sequences).fill(kv),
})

/** Rows of query in a pass. */
export const passTokens = ({ queryLengths }: AttentionPass): number =>
  queryLengths.reduce((sum, one) => sum + one, 0)
