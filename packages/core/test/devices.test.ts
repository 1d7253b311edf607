import { describe, expect, it } from 'vitest'

import { deviceMemory, devices } from '../src/index.ts'
import { code } from './support/caches.ts'
import { noGpu } from './support/gpu.ts'

describe('devices', () => {
  it('lists GPUs, or says in words why there are none', () => {
    const list = devices()
    if (list.devices.length === 0) {
      expect(list.reason).toMatch(/\w+ \w+/)
      return
    }
    expect(list.reason).toBeUndefined()
    expect(list.driverVersion).toMatch(/^\d+\.\d+$/)
    for (const [index, about] of list.devices.entries()) {
      expect(about.device).toEqual({ type: 'cuda', index })
      expect(about.name).not.toBe('')
      expect(about.uuid).toMatch(/^GPU-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
      expect(about.computeCapability).toMatch(/^\d+\.\d+$/)
      expect(about.unusable ?? about.freeBytes).not.toBe(0)
      expect(about.freeBytes).toBeLessThanOrEqual(about.totalBytes)
    }
  })
})

describe('deviceMemory', () => {
  it('is of a GPU that is there', () => {
    expect(() => deviceMemory(noGpu)).toThrow(code('UNSUPPORTED'))
    expect(() => deviceMemory({ type: 'cpu' })).toThrow(code('INVALID_ARGUMENT'))
  })
})
