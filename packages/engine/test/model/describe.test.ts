import { readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { afterAll, describe, expect, it } from 'vitest'

import { describeModel } from '../../src/model/read-model.ts'
import { describeShape } from '../../src/model/load-model.ts'
import { kvCacheShape } from '../../src/model/cache-shape.ts'
import { modelShapes } from '../../src/model/shapes.ts'
import { writeGguf } from '../support/gguf-writer.ts'
import { smolLm2 } from '../support/model-file.ts'
import { temporaryFolder, writeTinyFolder, writeTinyGguf } from '../support/tiny-model.ts'

const { path: folder, dispose } = temporaryFolder()
afterAll(dispose)

const inside = (name: string) => join(folder, name)

describe('describeModel', () => {
  it('reads SmolLM2 as its authors describe it', async () => {
    const { tensors, tokenizer, ...description } = await describeModel(smolLm2())
    expect(description).toMatchObject({
      format: 'gguf',
      architecture: 'llama',
      name: 'Smollm2 135M 8k Lc100K Mix1 Ep2',
      contextLength: 8192,
      parameters: 134_515_008,
      storage: { Q4_1: 210, F32: 61, Q8_0: 1 },
    })
    const { normEpsilon, ...shape } = description.config
    const { normEpsilon: epsilon, ...expected } = modelShapes['smollm2-135m'].config
    expect(normEpsilon).toBeCloseTo(epsilon, 10)
    // The same but for the order of rotated pairs, which GGUF changes.
    expect(shape).toEqual({ ...expected, ropeStyle: 'interleaved' })
    expect(tensors).toHaveLength(272)
    expect(tensors[0]).toMatchObject({
      role: 'embedding',
      layer: -1,
      type: 'Q8_0',
      shape: [49152, 576],
      offset: 1785664,
    })
    expect(tokenizer!.endTokens).toEqual([0, 2])
  })

  it.each(['llama', 'qwen2', 'qwen3'] as const)(
    'reads %s from both formats alike',
    async (architecture) => {
      const gguf = await describeModel(writeTinyGguf(folder, { architecture }))
      const huggingFace = await describeModel(writeTinyFolder(folder, { architecture }))
      expect(gguf.architecture).toBe(architecture)
      expect(gguf.parameters).toBe(huggingFace.parameters)
      expect(gguf.weightBytes).toBe(huggingFace.weightBytes)
      const { ropeStyle, normEpsilon, ...config } = gguf.config
      const { ropeStyle: halves, normEpsilon: exact, ...expected } = huggingFace.config
      expect(config).toEqual(expected)
      expect(normEpsilon).toBeCloseTo(exact, 10)
      expect([ropeStyle, halves]).toEqual([
        architecture === 'llama' ? 'interleaved' : 'half',
        'half',
      ])
      const roles = (model: typeof gguf) =>
        model.tensors.map(({ role, layer, shape }) => `${role} ${layer} ${shape.join('x')}`).sort()
      expect(roles(gguf)).toEqual(roles(huggingFace))
      expect(huggingFace.tokenizer!.definition.model.vocab).toEqual(
        gguf.tokenizer!.definition.model.vocab,
      )
      expect(huggingFace.tokenizer!.endTokens).toEqual([256])
    },
  )

  it('takes a folder with one GGUF file for that file', async () => {
    const only = temporaryFolder()
    const path = writeTinyGguf(only.path)
    expect((await describeModel(only.path)).path).toBe(path)
    writeTinyGguf(only.path, { architecture: 'qwen2' })
    await expect(describeModel(only.path)).rejects.toThrow(/several models, name one: tiny-llama/)
    only.dispose()
  })

  it('reads all shards of a model, given any of them', async () => {
    const { path: shards, dispose: remove } = temporaryFolder()
    const tensor = (name: string, ...shape: number[]) => ({
      name,
      shape,
      data: new Float32Array(shape.reduce((product, size) => product * size, 1)),
    })
    const whole = await describeModel(writeTinyGguf(shards))
    rmSync(join(shards, 'tiny-llama.gguf'))
    const first = join(shards, 'tiny-00001-of-00002.gguf')
    renameSync(writeTinyGguf(shards, { metadata: { 'split.count': 2 } }), first)
    const second = join(shards, 'tiny-00002-of-00002.gguf')
    writeGguf(second, { 'split.count': 2, 'split.no': 1 }, [tensor('output.weight', 257, 128)])
    const described = await describeModel(shards)
    expect(described.tensors).toHaveLength(whole.tensors.length + 1)
    expect(described.tensors.at(-1)).toMatchObject({ role: 'output', path: second })
    expect(described.config.tiedEmbeddings).toBe(false)
    rmSync(second)
    await expect(describeModel(first)).rejects.toThrow(/00002-of-00002.gguf: no such file/)
    remove()
  })

  it('knows separate output matrices, linear scaling and windows', async () => {
    const untied = await describeModel(writeTinyFolder(folder, { tied: false }))
    expect(untied.config.tiedEmbeddings).toBe(false)
    const scaled = await describeModel(
      writeTinyGguf(folder, {
        metadata: { 'llama.rope.scaling.type': 'linear', 'llama.rope.scaling.factor': 4.0 },
      }),
    )
    expect(scaled.config.ropeScale).toBe(4)
    const mistral = await describeModel(
      writeTinyFolder(folder, { config: { model_type: 'mistral', sliding_window: 256 } }),
    )
    expect(mistral).toMatchObject({ architecture: 'mistral', window: 256 })
    const qwen = { model_type: 'qwen2', sliding_window: 256, use_sliding_window: false }
    expect(await describeModel(writeTinyFolder(folder, { config: qwen }))).not.toHaveProperty(
      'window',
    )
  })

  it("computes Llama 3's rope factors from the config", async () => {
    const { ropeFactors, config } = await describeModel(
      writeTinyFolder(folder, {
        config: {
          rope_theta: 500_000,
          rope_scaling: {
            rope_type: 'llama3',
            factor: 8,
            low_freq_factor: 1,
            high_freq_factor: 4,
            original_max_position_embeddings: 8192,
          },
        },
      }),
    )
    expect(config.ropeScale).toBe(1)
    expect(ropeFactors).toHaveLength(32)
    expect(ropeFactors![0]).toBe(1)
    expect(ropeFactors!.at(-1)).toBe(8)
    // Between the two, as the formula of the model's authors gives for dimension 17 of 32.
    const wavelength = 2 * Math.PI * 500_000 ** (34 / 64)
    const smooth = (8192 / wavelength - 1) / 3
    expect(ropeFactors![17]).toBeCloseTo(1 / ((1 - smooth) / 8 + smooth), 5)
  })

  it('refuses what it cannot run, with every reason', async () => {
    const path = writeTinyGguf(folder, {
      metadata: { 'llama.expert_count': 8, 'llama.rope.scaling.type': 'yarn' },
      extraTensors: [
        { name: 'blk.0.attn_q.lora', shape: [32], data: new Float32Array(32) },
        { name: 'blk.0.ffn_up.weight', shape: [32], type: 10, data: new Uint8Array(12) },
      ],
    })
    await expect(describeModel(path)).rejects.toMatchObject({
      code: 'ERR_VATTENTION_MODEL_UNSUPPORTED',
      reasons: [
        expect.objectContaining({ code: 'expert_count', found: '8' }),
        expect.objectContaining({ code: 'rope.scaling.type', found: 'yarn' }),
        expect.objectContaining({ code: 'tensor', found: 'blk.0.attn_q.lora' }),
        expect.objectContaining({
          code: 'storage type',
          found: 'Q2_K (blk.0.ffn_up.weight)',
          expected: expect.stringContaining('Q4_K'),
        }),
      ],
    })
  })

  it('refuses other architectures, naming those it knows', async () => {
    const gguf = writeTinyGguf(folder, { metadata: { 'general.architecture': 'gemma3' } })
    await expect(describeModel(gguf)).rejects.toThrow(
      /architecture llama, mistral, qwen2, qwen3 is supported, found gemma3/,
    )
    const huggingFace = writeTinyFolder(folder, { config: { model_type: 'mamba' } })
    await expect(describeModel(huggingFace)).rejects.toThrow(/found mamba/)
  })

  it('says which file ends early or is missing', async () => {
    const gguf = writeTinyGguf(folder, { seed: 5 })
    truncateSync(gguf, 100_000)
    await expect(describeModel(gguf)).rejects.toMatchObject({
      code: 'ERR_VATTENTION_MODEL_FILE',
      message: expect.stringMatching(/ends early: tensor .* the file has 100000/),
    })
    const path = writeTinyFolder(folder)
    const shard = join(path, 'model-00002-of-00002.safetensors')
    const bytes = readFileSync(shard)
    writeFileSync(shard, bytes.subarray(0, bytes.length - 4))
    await expect(describeModel(path)).rejects.toThrow(/00002-of-00002.* ends early/)
    writeFileSync(shard, 'nonsense')
    await expect(describeModel(path)).rejects.toThrow(/header length does not fit/)
    writeFileSync(inside('nothing.gguf'), 'not a model at all')
    await expect(describeModel(inside('nothing.gguf'))).rejects.toThrow(/nothing.gguf: .*magic/)
    await expect(describeModel(inside('absent'))).rejects.toThrow(/no such file or folder/)
  })

  it('says that a folder lacks its tokenizer', async () => {
    const path = writeTinyFolder(folder, { seed: 9 })
    writeFileSync(join(path, 'tokenizer.json'), '{}')
    await expect(describeModel(path)).rejects.toThrow(/tokenizer.json: is missing, or no tokenizer/)
  })
})

describe('shapes', () => {
  it('have the parameters that their names say', () => {
    const billions = Object.fromEntries(
      Object.keys(modelShapes).map((name) => [
        name,
        +(describeShape(name as keyof typeof modelShapes).parameters / 1e9).toFixed(2),
      ]),
    )
    expect(billions).toEqual({
      'smollm2-135m': 0.13,
      'smollm2-360m': 0.36,
      'smollm2-1.7b': 1.71,
      'llama-3.2-1b': 1.24,
      'llama-2-7b': 6.74,
      'llama-3-8b': 8.03,
      'mistral-7b': 7.25,
      'yi-6b-200k': 6.06,
      'yi-34b-200k': 34.39,
    })
  })

  it('give the shape of a cache', () => {
    expect(kvCacheShape(describeShape('llama-3-8b'), { maxSequences: 8 })).toEqual({
      layers: 32,
      kvHeads: 8,
      headDim: 128,
      valueHeadDim: 128,
      dtype: 'float16',
      maxSequences: 8,
      maxLength: 8192,
    })
  })
})
