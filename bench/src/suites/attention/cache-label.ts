import type { NamedCache } from '../../suite/index.ts'

/** What results call a cache: `paged 16` and `blocks 16` as they did from the beginning. */
export const cacheLabel = ({ name }: NamedCache): string => name.replace(/^(paged|blocks)-/, '$1 ')

/** What results call a kernel over a cache: `fa3 paged 16`. */
export const subjectName = (shortBackend: string, cache: NamedCache): string =>
  `${shortBackend} ${cacheLabel(cache)}`

/** Tokens for people: `16K`, `1000`. */
export const tokensLabel = (tokens: number): string =>
  tokens % 1024 === 0 ? `${tokens / 1024}K` : String(tokens)
