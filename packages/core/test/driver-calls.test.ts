import { readFileSync } from 'node:fs'

import { describe, expect, it } from 'vitest'

import { measureDriverCalls, measureMappingCeiling } from '../src/index.ts'
import { code } from './support/caches.ts'
import { noGpu } from './support/gpu.ts'

const pageBytes = 65536
const mappingsNow = () => readFileSync('/proc/self/maps', 'utf8').trim().split('\n').length

describe('measureDriverCalls', () => {
  it('gives a sample of every round for each call that the host has', async () => {
    const found = await measureDriverCalls({ pageBytes, handles: 3, rounds: 5 })
    expect(Object.keys(found).sort()).toEqual(
      [
        'reserve',
        'create',
        'mapAndSetAccess',
        'export',
        'unmap',
        'release',
        'freeReservation',
      ].sort(),
    )
    for (const samples of Object.values(found)) {
      expect(samples).toHaveLength(5)
      expect(samples.every((nanoseconds) => nanoseconds > 0)).toBe(true)
    }
  })

  it('leaves nothing mapped', async () => {
    await measureDriverCalls({ pageBytes, rounds: 1 })
    const before = readFileSync('/proc/self/maps', 'utf8')
    await measureDriverCalls({ pageBytes, handles: 64, rounds: 4 })
    const memfds = (maps: string) => maps.split('vattention-kv-cache').length
    expect(memfds(readFileSync('/proc/self/maps', 'utf8'))).toBe(memfds(before))
  })

  it('refuses what cannot be measured', async () => {
    await expect(measureDriverCalls({ pageBytes: 4096 })).rejects.toThrow(code('INVALID_ARGUMENT'))
    await expect(measureDriverCalls({ pageBytes, rounds: 0 })).rejects.toThrow(
      code('INVALID_OPTIONS'),
    )
    await expect(measureDriverCalls({ device: noGpu, pageBytes: 2 ** 21 })).rejects.toThrow(
      code('UNSUPPORTED'),
    )
    await expect(measureDriverCalls({ pageBytes, handles: 2 ** 14 + 1 })).rejects.toThrow(
      'at most 16384 pages of 65536 bytes',
    )
  })
})

describe('measureMappingCeiling', () => {
  it('stops at its cap', async () => {
    expect(await measureMappingCeiling({ cap: 100 })).toEqual({ mappings: 100, end: 'cap' })
  })

  it('finds the limit of the system, and does not take this process to it', async () => {
    const allowed = Number(readFileSync('/proc/sys/vm/max_map_count', 'utf8'))
    if (allowed > 300_000) return // takes too long for a test
    const before = mappingsNow()
    const { mappings, end, driverCall, driverCode } = await measureMappingCeiling({
      cap: allowed + 1,
      seconds: 60,
    })
    expect({ end, driverCall, driverCode }).toEqual({
      end: 'driver',
      driverCall: 'mmap',
      driverCode: 12, // ENOMEM
    })
    expect(mappings).toBeLessThan(allowed)
    // What the child process has besides is what this one has.
    expect(mappings + before).toBeGreaterThan(allowed - 200)
    expect(mappingsNow()).toBeLessThan(before + 200)
  })

  it('refuses what cannot be measured', async () => {
    await expect(measureMappingCeiling({ cap: 0 })).rejects.toThrow(code('INVALID_OPTIONS'))
    await expect(measureMappingCeiling({ pageBytes: 1000 })).rejects.toThrow(
      code('INVALID_ARGUMENT'),
    )
    await expect(measureMappingCeiling({ device: noGpu })).rejects.toThrow(code('UNSUPPORTED'))
  })
})
