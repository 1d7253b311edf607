import { existsSync } from 'node:fs'

import type { VattentionError } from '@vattention/interface'
import { expect, test } from 'vitest'

import { FlashAttention2Backend, createBackend, devices } from '../src/index.ts'

const built = existsSync(new URL('../addon.node', import.meta.url))

/** What the first GPU's backend is, or why there is none. */
function open() {
  try {
    using backend = createBackend()
    const { name, device, native } = backend
    return { name, device, native: typeof native, is: backend instanceof FlashAttention2Backend }
  } catch (error) {
    const { code, message } = error as VattentionError
    return { code, message }
  }
}

test('what this machine lacks is told in words, and where nothing is lacking it opens', () => {
  const found = open()
  if (!built) {
    expect(found.code).toBe('ERR_VATTENTION_NATIVE_LOAD')
    expect(found.message).toMatch(/addon\.node: no such file[^]*npm run build:cuda/)
  } else if (devices().devices.length === 0) {
    expect(found.code).toBe('ERR_VATTENTION_BACKEND_UNAVAILABLE')
    expect(found.message).toContain(devices().failed?.reason)
  } else {
    const device = { type: 'cuda', index: 0 }
    expect(found).toEqual({ name: 'flash-attention-2', device, native: 'object', is: true })
  }
})
