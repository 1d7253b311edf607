import { describeCache } from '@vattention/conformance/vitest'

import { ContiguousKvCache } from '../src/index.ts'

describeCache('ContiguousKvCache', () => ({
  kind: 'contiguous',
  // Cases compare page accounts exactly; the mapper thread would change them at any time.
  create: (options) => new ContiguousKvCache({ ...options, mapAhead: false }),
}))
