import { afterAll, describe, expect, it } from 'vitest'

import { describeShape, loadModel, randomModel } from '../../src/model/load-model.ts'
import { describeModel } from '../../src/model/read-model.ts'
import { smolLm2 } from '../support/model-file.ts'
import { serve } from '../support/serving.ts'
import { temporaryFolder, writeTinyGguf } from '../support/tiny-model.ts'

const { path: folder, dispose } = temporaryFolder()
afterAll(dispose)

describe('loadModel', () => {
  it('reports progress up to the end', async () => {
    const description = await describeModel(smolLm2())
    const seen: number[] = []
    using model = await loadModel(description, {
      onProgress: ({ loadedBytes, totalBytes }) => {
        expect(totalBytes).toBe(description.weightBytes)
        seen.push(loadedBytes)
      },
    })
    expect(seen).toHaveLength(273)
    expect(seen[0]).toBe(0)
    expect(seen.at(-1)).toBe(description.weightBytes)
    expect(seen).toEqual([...seen].sort((a, b) => a - b))
    const perWeight = model.weights === 'bfloat16' ? 2 : 4
    expect(model.bytes).toBeGreaterThanOrEqual(description.parameters * perWeight)
    expect(model.bytes).toBeLessThan(description.parameters * perWeight * 1.2 + 4 * 49152 * 576)
  })

  it('names tensors that are missing or have the wrong shape', async () => {
    const description = await describeModel(writeTinyGguf(folder))
    const without = (role: string) => ({
      ...description,
      tensors: description.tensors.filter((tensor) => tensor.role !== role),
    })
    await expect(loadModel(without('gate'))).rejects.toMatchObject({
      code: 'ERR_VATTENTION_MODEL_FILE',
      message: expect.stringMatching(/lacks tensors: .*gate/),
    })
    const wrong = {
      ...description,
      tensors: description.tensors.map((tensor) =>
        tensor.role === 'up' ? { ...tensor, shape: [191, 128] } : tensor,
      ),
    }
    await expect(loadModel(wrong)).rejects.toThrow(/up.*\[?192/s)
  })

  it('stops when it is told to', async () => {
    const controller = new AbortController()
    const loading = loadModel(smolLm2(), {
      signal: controller.signal,
      onProgress: ({ loadedBytes }) => {
        if (loadedBytes > 0) controller.abort(new Error('enough'))
      },
    })
    await expect(loading).rejects.toThrow('enough')
  })

  it('refuses unknown options and values', async () => {
    await expect(loadModel(smolLm2(), { weights: 'int4' as 'auto' })).rejects.toThrow(
      /weights: "auto" or "bfloat16" or "float32" required, found "int4"/,
    )
    await expect(randomModel({ shape: 'gpt-5' as 'llama-3-8b' })).rejects.toThrow(
      /shape: .*"llama-3-8b".* required, found "gpt-5"/,
    )
  })

  it('cannot be used after dispose', async () => {
    const model = await loadModel(writeTinyGguf(folder))
    model.dispose()
    model.dispose()
    await expect(serve({ model })).rejects.toMatchObject({ code: 'ERR_VATTENTION_DISPOSED' })
  })
})

describe('randomModel', () => {
  it('runs a published shape without a download, the same for the same seed', async () => {
    const tokens: number[][] = []
    for (const seed of [1, 1, 2]) {
      using model = await randomModel({ shape: 'smollm2-135m', seed })
      expect(model.tokenizer).toBeUndefined()
      expect(model.description).toEqual(describeShape('smollm2-135m'))
      await using serving = await serve({ model })
      const request = { tokens: [1, 2, 3, 4, 5], maxTokens: 8 }
      tokens.push([...(await serving.engine.generate(request).result).tokens])
    }
    expect(tokens[1]).toEqual(tokens[0])
    expect(tokens[2]).not.toEqual(tokens[0])
  })
})
