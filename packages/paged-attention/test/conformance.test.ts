import { describeCache } from '@vattention/conformance/vitest'

import { PagedKvCache } from '../src/index.ts'

describeCache('PagedKvCache', () => ({
  kind: 'paged',
  create: (options) => new PagedKvCache(options),
}))
