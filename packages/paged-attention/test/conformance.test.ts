import type { PoolLayout } from '@vattention/interface'
import { describeCache } from '@vattention/conformance/vitest'

import { PagedKvCache } from '../src/index.ts'

const variants: readonly (readonly [blockTokens: number, poolLayout: PoolLayout])[] = [
  [1, 'nhd'],
  [16, 'nhd'],
  [256, 'nhd'],
  [16, 'paged-attention'],
]

for (const [blockTokens, poolLayout] of variants) {
  describeCache(`PagedKvCache with ${poolLayout} blocks of ${blockTokens}`, () => ({
    kind: 'paged',
    create: (options) => new PagedKvCache({ ...options, blockTokens, poolLayout }),
  }))
}
