import { describeBackend } from '@vattention/conformance/vitest'
import { ContiguousKvCache } from '@vattention/core'
import { PagedKvCache } from '@vattention/paged-attention'

import { NaiveBackend } from '../src/naive-backend.ts'

describeBackend('a custom backend', () => ({
  backend: new NaiveBackend(),
  create: () => new NaiveBackend(),
  caches: {
    contiguous: (options) => new ContiguousKvCache(options),
    paged: (options) => new PagedKvCache(options),
  },
  sameKernel: true,
}))
