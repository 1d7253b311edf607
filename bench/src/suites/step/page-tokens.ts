import { ContiguousKvCache } from '@vattention/core'
import type { Device } from '@vattention/interface'

import type { NamedShape } from '../../suite/index.ts'
import { contiguousOptions } from '../memory/open-cache.ts'
import type { NamedCache } from '../../suite/index.ts'

/** Tokens that the smallest page of a tensor holds, or a block: need not be whole. */
export function pageTokensOf(device: Device, shape: NamedShape, cache: NamedCache): number {
  if (cache.kind === 'paged') return cache.blockTokens
  const about = { shape, cache, maxSequences: 1, maxLength: 1, limitBytes: 2 ** 40 }
  return ContiguousKvCache.geometry(contiguousOptions(device, about)).tokensPerPage
}
