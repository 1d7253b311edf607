import { describeBackend } from '@vattention/conformance/vitest'
import { ContiguousKvCache } from '@vattention/core'
import { PagedKvCache } from '@vattention/paged-attention'

import { createCpuBackend } from '../src/index.ts'

describeBackend('cpu', () => ({
  backend: createCpuBackend(),
  create: () => createCpuBackend(),
  caches: {
    contiguous: (options) => new ContiguousKvCache(options),
    paged: (options) => new PagedKvCache(options),
  },
  sameKernel: true,
}))
