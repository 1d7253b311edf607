/** The suites for a GPU under vitest; without one every case is skipped, with the reason. */
import { SkipCase } from '@vattention/conformance'
import { describe, it } from 'vitest'

import { devices } from '../src/index.ts'
import { gpuSuites } from './gpu/index.ts'

const { reason } = devices()

for (const { name, cases } of gpuSuites()) {
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
