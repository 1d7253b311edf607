import { afterAll, describe, expect, it } from 'vitest'

import { loadModel } from '../../src/model/load-model.ts'
import { serve, type CacheKind } from '../support/serving.ts'
import { temporaryFolder, writeTinyFolder } from '../support/tiny-model.ts'

const { path: folder, dispose } = temporaryFolder()
afterAll(dispose)

const prompt = 'A text that is longer than the window, so that its start is out of sight soon.>'

async function answer(window: number | null, kind: CacheKind = 'contiguous') {
  const path = writeTinyFolder(folder, {
    config: { model_type: 'mistral', sliding_window: window },
  })
  using model = await loadModel(path, { weights: 'float32' })
  await using serving = await serve({
    model,
    kind,
    dtype: 'float32',
    maxBatchTokens: 50,
    maxSequences: 4,
  })
  const { tokens } = await serving.engine.generate({ prompt, maxTokens: 300, ignoreEos: true })
    .result
  return [...tokens]
}

describe('a sliding window', () => {
  it('gives the same tokens through both caches, other than without', async () => {
    const windowed = await answer(48)
    expect(await answer(48, 'paged')).toEqual(windowed)
    expect(await answer(null)).not.toEqual(windowed)
  })

  it('changes nothing when it is as long as the sequence', async () => {
    expect(await answer(512)).toEqual(await answer(null))
  })
})
