import { afterAll, describe, expect, it } from 'vitest'

import { loadModel } from '../../src/model/load-model.ts'
import type { TinyModelOptions } from '../support/tiny-model.ts'
import { temporaryFolder, writeTinyFolder, writeTinyGguf } from '../support/tiny-model.ts'
import { serve, type CacheKind } from '../support/serving.ts'

const { path: folder, dispose } = temporaryFolder()
afterAll(dispose)

const prompts = ['Hello there>', 'Some longer text to begin with, of many bytes>', 'x>']

/** Greedy answers of the model at `path`, in float32 so that only the format differs. */
async function answers(path: string, kind: CacheKind = 'contiguous') {
  using model = await loadModel(path, { weights: 'float32' })
  await using serving = await serve({ model, kind, dtype: 'float32' })
  const results = await Promise.all(
    prompts.map(
      (prompt) => serving.engine.generate({ prompt, maxTokens: 60, ignoreEos: true }).result,
    ),
  )
  return results.map(({ tokens }) => [...tokens])
}

const variants: [name: string, options: TinyModelOptions, gguf?: TinyModelOptions][] = [
  ['llama', {}],
  ['llama with an output matrix', { tied: false, seed: 2 }],
  ['qwen2 with biases', { architecture: 'qwen2', seed: 3 }],
  ['qwen3 with norms of heads', { architecture: 'qwen3', seed: 4 }],
  [
    'llama with linear rope scaling',
    { seed: 5, config: { rope_scaling: { rope_type: 'linear', factor: 4 } } },
    {
      seed: 5,
      metadata: { 'llama.rope.scaling.type': 'linear', 'llama.rope.scaling.factor': 4.5 - 0.5 },
    },
  ],
]

describe('the two file formats', () => {
  it.each(variants)('give the same answers: %s', async (_, options, gguf = options) => {
    const fromGguf = await answers(writeTinyGguf(folder, gguf))
    expect(await answers(writeTinyFolder(folder, options))).toEqual(fromGguf)
    expect(await answers(writeTinyGguf(folder, gguf), 'paged')).toEqual(fromGguf)
    // Not the same token over and over, which would hide mistakes in positions.
    for (const tokens of fromGguf) expect(new Set(tokens).size).toBeGreaterThan(5)
  })

  it("give the same answers with Llama 3's rope factors, which change them", async () => {
    const parameters = {
      rope_type: 'llama3',
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 64,
    }
    const { llama3Factors } = await import('../../src/model/rope-scaling.ts')
    const factors = llama3Factors(parameters, 10_000.5, 64)
    const plain = await answers(writeTinyGguf(folder, { seed: 6 }))
    const gguf = await answers(
      writeTinyGguf(folder, {
        seed: 6,
        extraTensors: [{ name: 'rope_freqs.weight', shape: [32], data: factors }],
      }),
    )
    const huggingFace = await answers(
      writeTinyFolder(folder, { seed: 6, config: { rope_scaling: parameters } }),
    )
    expect(huggingFace).toEqual(gguf)
    expect(gguf).not.toEqual(plain)
  })
})
