import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'

import { engineAddon } from '../../src/addon.ts'
import type { WeightSource } from '../../src/native.ts'
import { randomNativeModel, smallConfig } from './native-parts.ts'

/** A file of `floats` float32 zeros, gone after the test. */
function zeros(floats: number): string {
  const folder = mkdtempSync(join(tmpdir(), 'vattention-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'weights')
  writeFileSync(path, new Float32Array(floats))
  return path
}

const down = (path: string, change: Partial<WeightSource> = {}): WeightSource => ({
  role: 'down',
  layer: 1,
  path,
  offset: 0,
  type: 'F32',
  shape: [64, 128],
  ...change,
})

const newModel = () => {
  const model = engineAddon().createModel(smallConfig)
  onTestFinished(() => model.dispose())
  return model
}

describe('a native model', () => {
  it('says which tensors are missing', async () => {
    const model = newModel()
    const names = ['embedding', 'outputNorm']
    for (const layer of [0, 1]) {
      for (const name of [
        ...['attentionNorm', 'query', 'key', 'value', 'attentionOutput'],
        ...['feedForwardNorm', 'gate', 'up', 'down'],
      ]) {
        names.push(`layer ${layer} ${name}`)
      }
    }
    expect(model.finish().sort()).toEqual(names.sort())
    await model.load(down(zeros(64 * 128)))
    expect(model.finish()).not.toContain('layer 1 down')
  })

  it('counts its bytes and tells the precision', async () => {
    const bf16 = await randomNativeModel({ weights: 'bfloat16' })
    const f32 = await randomNativeModel({ weights: 'float32' })
    expect(bf16.weights).toBe('bfloat16')
    expect(f32.weights).toBe('float32')
    const matrix = 200 * 64 + 2 * (64 * 128 + 64 * 64 + 64 * 256 + 64 * 128)
    expect(f32.bytes).toBeGreaterThanOrEqual(4 * matrix)
    expect(bf16.bytes).toBeGreaterThanOrEqual(2 * matrix)
    expect(bf16.bytes).toBeLessThan(f32.bytes)
    f32.dispose()
    f32.dispose()
    expect(f32.bytes).toBe(0)
  })

  it('rejects a file that is missing, with the system call', async () => {
    await expect(newModel().load(down('/nonexistent/weights'))).rejects.toMatchObject({
      code: 'ERR_VATTENTION_DEVICE',
      driverCall: 'open',
      driverCode: 2,
      message: expect.stringContaining('Tensor layer 1 down') as string,
    })
  })

  it('rejects a file that ends early, naming the tensor, and can load it afterwards', async () => {
    const model = newModel()
    await expect(model.load(down(zeros(64 * 128 - 1)))).rejects.toMatchObject({
      code: 'ERR_VATTENTION_INVALID_ARGUMENT',
      message: expect.stringMatching(
        /Tensor layer 1 down: .*ends at byte 32764, 4 bytes before/,
      ) as string,
    })
    await model.load(down(zeros(64 * 128)))
    await expect(model.load(down(zeros(64 * 128)))).rejects.toThrow('It was given before')
  })

  it('rejects a wrong shape, naming both', async () => {
    await expect(newModel().load(down(zeros(1), { shape: [128, 64] }))).rejects.toThrow(
      'Tensor layer 1 down: expected the shape [64, 128], received [128, 64].',
    )
  })

  it('refuses numbers that no model has', () => {
    expect(() => engineAddon().createModel({ ...smallConfig, kvHeads: 3 })).toThrow(
      expect.objectContaining({ code: 'ERR_VATTENTION_INVALID_ARGUMENT' }),
    )
  })

  it('takes tensors by value', () => {
    const model = newModel()
    model.set('outputNorm', -1, new Float32Array(64))
    expect(model.finish()).not.toContain('outputNorm')
    expect(() => model.set('queryNorm', 0, new Float32Array(15))).toThrow(
      'Tensor layer 0 queryNorm: expected 16 values, received 15.',
    )
  })

  it('is refused after dispose', () => {
    const model = newModel()
    model.dispose()
    const disposed = expect.objectContaining({ code: 'ERR_VATTENTION_DISPOSED' }) as Error
    expect(() => model.load(down('x'))).toThrow(disposed)
    expect(() => model.fill(1)).toThrow(disposed)
    expect(() => model.finish()).toThrow(disposed)
  })
})
