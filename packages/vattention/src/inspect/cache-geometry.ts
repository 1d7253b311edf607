import { ContiguousKvCache, type ContiguousGeometry } from '@vattention/core'
import type { KvCacheShape, Layout } from '@vattention/interface'
import { PagedKvCache, type PagedGeometry } from '@vattention/paged-attention'

/** What a model's cache would look like in each form; nothing is made. */
export interface CacheGeometries {
  readonly shape: KvCacheShape
  readonly contiguous: readonly ContiguousGeometry[]
  readonly paged: readonly PagedGeometry[]
}

const layouts: readonly Layout[] = ['split', 'interleaved']
const blockSizes = [16, 32]

/** Geometries of a cache of this shape within `limitBytes`. */
export function readGeometries(shape: KvCacheShape, limitBytes: number): CacheGeometries {
  return {
    shape,
    contiguous: layouts.map((layout) =>
      ContiguousKvCache.geometry({ ...shape, limitBytes, layout }),
    ),
    paged: blockSizes.map((blockTokens) =>
      PagedKvCache.geometry({ ...shape, limitBytes, blockTokens }),
    ),
  }
}
