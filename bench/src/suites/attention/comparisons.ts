import type { Compared } from './ratio-cases.ts'
import type { Pairing } from './attention-bench.ts'

const isContiguous = ({ cache }: Pairing) => cache.kind === 'contiguous'

/** By backend, in the order of the pairings. */
function byBackend(pairings: readonly Pairing[]): Pairing[][] {
  const found = new Map<string, Pairing[]>()
  for (const one of pairings) found.set(one.short, [...(found.get(one.short) ?? []), one])
  return [...found.values()]
}

/** The same kernel over contiguous and over paged caches: what the layout alone does. */
export const contiguousOverPaged = (pairings: readonly Pairing[]): Compared[] =>
  byBackend(pairings).flatMap((own) =>
    own
      .filter(isContiguous)
      .flatMap(({ name: of }) =>
        own.filter((one) => !isContiguous(one)).map(({ name: over }) => ({ of, over })),
      ),
  )

/** The first contiguous subject over those of all other backends: kernel and layout at once. */
export function firstOverOthers(pairings: readonly Pairing[]): Compared[] {
  const first = pairings.find(isContiguous)
  if (!first) return []
  return pairings
    .filter(({ short }) => short !== first.short)
    .map(({ name: over }) => ({ of: first.name, over }))
}

/** Each contiguous cache of a backend over its split one. */
export const contiguousOverSplit = (pairings: readonly Pairing[]): Compared[] =>
  byBackend(pairings).flatMap((own) => {
    const split = own.find(({ cache }) => cache.kind === 'contiguous' && cache.layout === 'split')
    if (!split) return []
    return own
      .filter((one) => isContiguous(one) && one !== split)
      .map(({ name: of }) => ({ of, over: split.name }))
  })

/** The first subject of each backend over PagedAttention's own, which are a reference. */
export function overReference(pairings: readonly Pairing[]): Compared[] {
  const isReference = ({ short }: Pairing) => short === 'paged-attention'
  const references = pairings.filter(isReference)
  return byBackend(pairings.filter((one) => !isReference(one))).flatMap(([first]) =>
    references.map(({ name: over }) => ({ of: first!.name, over })),
  )
}
