import { cpu, type Tensor } from '@vattention/interface'
import { describe, expect, it } from 'vitest'

import { tensorRecordLength, writeTensorRecord } from '../node/tensor-record.ts'

describe('tensor records', () => {
  const tensor: Tensor = {
    data: 0x7f12_3456_7890n,
    dtype: 'bfloat16',
    shape: [3, 2, 64],
    strides: [1024, 64, 1],
    device: cpu,
  }

  it('hold address, dtype, device, rank, shape and strides in that order', () => {
    const records = new Float64Array(2 * tensorRecordLength)
    writeTensorRecord(records, 1, tensor)
    expect([...records.subarray(0, tensorRecordLength)].every((value) => value === 0)).toBe(true)
    expect([...records.subarray(tensorRecordLength)]).toEqual([
      ...[0x7f12_3456_7890, 2, 1, 0, 3],
      ...[3, 2, 64, 0, 0, 0],
      ...[1024, 64, 1, 0, 0, 0],
    ])
  })

  it('an absent tensor clears the rank of the record it replaces', () => {
    const records = new Float64Array(tensorRecordLength)
    writeTensorRecord(records, 0, tensor)
    writeTensorRecord(records, 0, undefined)
    expect(records[4]).toBe(0)
  })
})
