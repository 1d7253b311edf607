import { describeCache } from '@vattention/conformance/vitest'

import { ContiguousKvCache } from '../src/index.ts'

describeCache('ContiguousKvCache', () => ({
  kind: 'contiguous',
  create: (options) => new ContiguousKvCache(options),
}))
