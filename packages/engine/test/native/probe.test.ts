import { describe, expect, it } from 'vitest'

import { engineAddon, measureReadBandwidth } from '../../src/addon.ts'

describe('probe', () => {
  it('says what products are computed with', () => {
    const { bfloat16, isa, oneDnn, cores } = engineAddon().probe()
    expect(typeof bfloat16).toBe('boolean')
    expect(isa).toMatch(/^(generic|sse41|avx\w*)$/)
    expect(oneDnn).toMatch(/^\d+\.\d+\.\d+$/)
    expect(cores).toBeGreaterThanOrEqual(1)
  })
})

describe('measureReadBandwidth', () => {
  it('gives bytes per second', async () => {
    const found = await measureReadBandwidth({ bytes: 8 * 2 ** 20, threads: 1 })
    // Any machine that runs this reads between 100 MB/s and 10 TB/s.
    expect(found).toBeGreaterThan(1e8)
    expect(found).toBeLessThan(1e13)
  })

  it('refuses no bytes and no threads', async () => {
    await expect(measureReadBandwidth({ bytes: 0, threads: 1 })).rejects.toMatchObject({
      code: 'ERR_VATTENTION_INVALID_ARGUMENT',
    })
    await expect(measureReadBandwidth({ bytes: 1e6, threads: 0 })).rejects.toMatchObject({
      code: 'ERR_VATTENTION_INVALID_ARGUMENT',
    })
  })
})
