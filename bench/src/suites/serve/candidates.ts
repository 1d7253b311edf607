import type { NamedCache } from '../../suite/index.ts'
import { namedCache } from '../../suite/index.ts'
import type { ServeKind } from './serve-options.ts'

/** A cache under the engine, with common beginnings of prompts shared or not. */
export interface Candidate {
  /** For people, unique: `split, sharing`. */
  readonly name: string
  readonly cache: NamedCache
  readonly prefixSharing: boolean
}

/** Caches that are compared when none are named: fewer online, where arrivals say how long it takes. */
export function defaultCaches(kind: ServeKind, quick: boolean): NamedCache[] {
  if (quick) return ['split', 'interleaved', 'paged-16'].map(namedCache)
  if (kind === 'online') return ['split', 'paged-16'].map(namedCache)
  return ['split', 'interleaved', 'paged-16', 'paged-128'].map(namedCache)
}

/** Each cache with and without sharing. */
export function candidatesOf(caches: readonly NamedCache[]): Candidate[] {
  return caches.flatMap((cache) =>
    [true, false].map((prefixSharing) => ({
      name: `${cache.name}, ${prefixSharing ? 'sharing' : 'no sharing'}`,
      cache,
      prefixSharing,
    })),
  )
}

/** Pairs whose speeds are compared: layouts with the same sharing, and sharing with the same cache. */
export function comparisonsOf(
  candidates: readonly Candidate[],
): { readonly of: Candidate; readonly over: Candidate }[] {
  return candidates.flatMap((of) =>
    candidates.filter((over) => isComparison(of, over)).map((over) => ({ of, over })),
  )
}

function isComparison(of: Candidate, over: Candidate): boolean {
  if (of.cache.name === over.cache.name) return of.prefixSharing && !over.prefixSharing
  if (of.prefixSharing !== over.prefixSharing) return false
  return of.cache.kind === 'contiguous' && over.cache.kind === 'paged'
}
