/**
 * The suites for a GPU under vitest: skipped without one, with the reason; shorter on a simulated one
 * (`npm run test:simulated`).
 */
import { SkipCase } from '@vattention/conformance'
import { describe, it } from 'vitest'

import { devices } from '../src/index.ts'
import { gpuSuites } from './gpu/index.ts'

const { reason, devices: found } = devices()
const short = found[0]?.name === 'Simulated GPU'
if (reason !== undefined && process.env['VATTENTION_TEST_DEVICE'] === 'cuda') {
  throw new Error(`A GPU was asked for: ${reason}`)
}

for (const { name, cases } of gpuSuites({ short })) {
  describe(name, () => {
    for (const one of cases) {
      it(one.name, async (task) => {
        if (reason !== undefined) return task.skip(reason)
        try {
          await one.run()
        } catch (error) {
          if (!(error instanceof SkipCase)) throw error
          task.skip(error.message)
        }
      })
    }
  })
}
