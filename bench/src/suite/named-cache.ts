import { InvalidArgumentError } from 'commander'
import type { Layout, PoolLayout } from '@vattention/interface'

/** A kind of KV cache, by the name that commands and results know it by. */
export type NamedCache = { readonly name: string } & (
  | {
      readonly kind: 'contiguous'
      readonly layout: Layout
      /** Page class; absent: the cache chooses. */
      readonly pageBytes?: number
    }
  | { readonly kind: 'paged'; readonly blockTokens: number; readonly poolLayout: PoolLayout }
)

/** What `--caches` takes, for its help. */
export const cacheNames =
  'interleaved, split, layer-group-N (layers), paged-N (tokens a block), blocks-N (PagedAttention’s own layout); contiguous ones may name a page: split/2MiB'

const pageBytesOf: Readonly<Record<string, number>> = {
  '64KiB': 2 ** 16,
  '2MiB': 2 ** 21,
  '8MiB': 2 ** 23,
  '32MiB': 2 ** 25,
  '128MiB': 2 ** 27,
}

/**
 * A cache by its name: `interleaved`, `split/2MiB`, `layer-group-4`, `paged-16`, `blocks-16`.
 *
 * @throws InvalidArgumentError when there is no such cache
 */
export function namedCache(name: string): NamedCache {
  const [, paged, tokens] = /^(paged|blocks)-(\d+)$/.exec(name) ?? []
  if (paged !== undefined) {
    const blockTokens = Number(tokens)
    if (blockTokens > 0) {
      const poolLayout = paged === 'blocks' ? 'paged-attention' : 'nhd'
      return { name, kind: 'paged', blockTokens, poolLayout }
    }
  }
  const [form = '', page] = name.split('/', 2)
  const layout = layoutOf(form)
  const pageBytes = page === undefined ? undefined : pageBytesOf[page]
  if (layout === undefined || (page !== undefined && pageBytes === undefined)) {
    throw new InvalidArgumentError(`There is no cache "${name}". There are ${cacheNames}.`)
  }
  return { name, kind: 'contiguous', layout, ...(pageBytes === undefined ? {} : { pageBytes }) }
}

function layoutOf(form: string): Layout | undefined {
  if (form === 'interleaved' || form === 'split') return form
  const [, layers] = /^layer-group-(\d+)$/.exec(form) ?? []
  return Number(layers) > 0 ? { layerGroup: Number(layers) } : undefined
}
