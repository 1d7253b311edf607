import { describe, expect, it } from 'vitest'

import { modelFile } from '../../../scripts/artifacts.mjs'
import { Unavailable } from '../../src/harness/index.ts'
import { modelPath } from '../../src/suites/serve/default-model.ts'
import { fileOf } from '../traces/support/files.ts'

describe('the model of benches', () => {
  it('is where the set-up of the workspace puts it', () => {
    const env = { VATTENTION_CACHE_DIR: '/nowhere' }
    expect(() => modelPath(undefined, env)).toThrow(Unavailable)
    expect(() => modelPath(undefined, env)).toThrow(`${modelFile(env)}. Run \`npm run bootstrap\``)
  })

  it('is the one that was named, when it is there', () => {
    const file = fileOf('x', 'model.gguf')
    expect(modelPath(file)).toBe(file)
    expect(() => modelPath('/nowhere/model.gguf')).toThrow('There is no model /nowhere/model.gguf.')
  })
})
