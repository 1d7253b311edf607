/** docs/conformance.md: how to run the kit, and every case there is, from the cases themselves. */
import { backendCases, cacheCases } from '../../src/index.ts'

interface Listed {
  readonly name: string
  readonly group: string
}

/** What a group is about, from its file's head. */
const about: Readonly<Record<string, string>> = {
  shapes:
    'Query and KV lengths, head counts, dims and dtypes; every edge of a tile, a block, a page.',
  views: 'Every layout, block size and pool layout, scattered over slots and blocks.',
  features: 'Each feature alone and in pairs. What is not declared is skipped.',
  memory: 'NaN wherever a backend has no business; appended rows exact, nothing else written.',
  algebra: 'Order, repetition, batch invariance, logits of any size.',
  merge: 'Partial results combined are the whole.',
  refusals: 'The documented error with all reasons, and nothing written.',
  sharing: 'Forks, truncation, sliding and prefix hits, seen through attention.',
  streams: 'Work behind the caller: nothing is waited for, and memory stays until it is done.',
  graphs: 'Plans that were captured replay right after `prepare`, whatever became of the cache.',
  lifecycle: 'Promises, disposal in any order, plans side by side.',
  steps: 'What `step` backs, all or nothing, and what it says when memory runs out.',
  handles: 'Slots, freed sequences, the view.',
  contents: 'Sequences never overlap; what is seen first is zero or its own.',
  forks: 'Shared rows are never written, whoever goes on first.',
  prefixes: 'What was published is shared, within its salt.',
  sliding: 'Tokens before a window go, those in it stay.',
  limits: 'Limits at run time, and books that add up.',
  fences: 'Memory leaves only behind those who may still read it.',
  disposal: 'Nothing works afterwards; options are checked.',
}

/** Names without the group in front and the kind of cache behind, each once. */
function list(cases: readonly Listed[]): string {
  const groups = new Map<string, Set<string>>()
  for (const { group, name } of cases) {
    const short = name.slice(group.length + 2).replace(/ \((contiguous|paged)\)$/, '')
    groups.set(group, (groups.get(group) ?? new Set()).add(short))
  }
  return [...groups]
    .map(([group, names]) => {
      const items = [...names].map((name) => `- ${name}`).join('\n')
      return `### ${group}\n\n${about[group]}\n\n${items}`
    })
    .join('\n\n')
}

/** The page. */
export function casesPage(): string {
  const caches = [...cacheCases('contiguous'), ...cacheCases('paged')]
  return `# Conformance

<!-- Generated from the cases: npm run docs:pages. -->

A backend or a cache is right when it passes \`@vattention/conformance\`. How to run it is in the
[README of the package](../packages/conformance/README.md); these are its cases.

Bounds, against a float64 reference: float32 1e-4; narrower types \`2 x pt + 1e-5\` (3 x when the pass
appended or merged, 4 x with a float8 cache, 5 x with ALiBi), where \`pt\` is the error that the same
mathematics makes when scores, probabilities and output are rounded to the type. LSE 1e-3, float32
1e-5, relative above 1. Big inputs are compared at sampled rows: the first and last of each sequence,
those around the edges of tiles, then random ones.

## Of a backend

Each runs over a contiguous and a paged cache. Dims, dtypes, block sizes and layouts follow what the
backend declares; here is what one that declares everything gets.

${list(backendCases())}

## Of a cache

Layouts are of contiguous caches, blocks of paged ones; all else is the same for both.

${list(caches)}
`
}
