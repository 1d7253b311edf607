import { describe, expect, it, vi } from 'vitest'

import { availableMemory, checkResources, planJobs } from '../cuda/resources.mjs'

const gibibyte = 2 ** 30

describe('jobs at a time', () => {
  it.each([
    [2, 23, { jobs: 2, heavyJobs: 2 }],
    [16, 32, { jobs: 8, heavyJobs: 5 }],
    [8, 11, { jobs: 2, heavyJobs: 1 }],
    [8, 1, { jobs: 1, heavyJobs: 1 }],
    [4, Infinity, { jobs: 4, heavyJobs: 4 }],
  ])('of %d wanted with %d GiB', (wanted, free, planned) => {
    expect(planJobs(wanted, free * gibibyte)).toEqual(planned)
  })
})

describe('the machine', () => {
  it('has some memory left', () => {
    expect(availableMemory()).toBeGreaterThan(0)
  })

  it('is warned of when memory may be short', () => {
    const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    checkResources({ available: 2 * gibibyte, needed: 6 * gibibyte, folders: [] })
    expect(write.mock.calls.join('')).toContain(
      'Memory may be short: 2.0 GiB are free, and compiling one of the files takes up to 6.0 GiB.',
    )
    write.mockClear()
    checkResources({ available: 8 * gibibyte, needed: 6 * gibibyte, folders: [] })
    expect(write).not.toHaveBeenCalled()
    write.mockRestore()
  })

  it('is refused when its disk is full', () => {
    // No file system of files at all.
    const full = { available: Infinity, needed: 0, folders: ['/proc'] }
    expect(() => checkResources(full)).toThrow(
      /The disk of \/proc has 0\.0 GiB left; the build needs 3\.0 GiB\./,
    )
  })
})
