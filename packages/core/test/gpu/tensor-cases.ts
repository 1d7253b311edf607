/** Tensors of a GPU: memory, reading and writing. */
import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'

import type { SuiteCase } from '@vattention/conformance'
import {
  copy,
  CudaTestStream,
  deviceMemory,
  devices,
  deviceTensor,
  pinnedTensor,
  read,
  readBits,
  write,
} from '@vattention/core'
import { sameDevice, type DType } from '@vattention/interface'

import { code, expectFilled, expectZero, fill, gpu, pattern } from './support.ts'

const MiB = 2 ** 20

export const tensorCases: readonly SuiteCase[] = [
  {
    name: 'the GPU is listed, with its memory',
    run() {
      const { devices: found, driverVersion, reason } = devices()
      assert.equal(reason, undefined)
      assert.match(driverVersion!, /^\d+\.\d+$/)
      const about = found.find(({ device }) => sameDevice(device, gpu))!
      assert.equal(about.unusable, undefined)
      assert.match(about.uuid, /^GPU-[0-9a-f-]{36}$/)
      assert.match(about.computeCapability, /^\d+\.\d$/)
      assert.ok(about.freeBytes > 0 && about.freeBytes <= about.totalBytes)
      assert.equal(deviceMemory(gpu).totalBytes, about.totalBytes)
    },
  },
  {
    name: 'a tensor is zero, and gives back what was written, in every dtype',
    run() {
      const dtypes: DType[] = ['float32', 'float16', 'bfloat16', 'float8_e4m3']
      for (const dtype of dtypes) {
        using tensor = deviceTensor(dtype, [3, 5, 7], gpu)
        expectZero([tensor])
        const values = Float32Array.from({ length: 105 }, (_, i) => i % 16)
        write(tensor, values)
        assert.deepEqual(read(tensor), values)
        const turned = { ...tensor, shape: [7, 3], strides: [1, 35] }
        assert.deepEqual([...read(turned)].slice(0, 4), [0, 35 % 16, 70 % 16, 1])
      }
      using integers = deviceTensor('int32', [4], gpu)
      write(integers, Int32Array.of(-1, 0, 1, 2 ** 31 - 1))
      assert.deepEqual(readBits(integers), Uint32Array.of(2 ** 32 - 1, 0, 1, 2 ** 31 - 1))
      using empty = deviceTensor('float32', [0, 8], gpu)
      assert.equal(read(empty).length, 0)
    },
  },
  {
    name: 'a tensor cannot be reached past its end, nor after it was disposed',
    run() {
      const tensor = deviceTensor('float32', [8], gpu)
      assert.throws(() => read({ ...tensor, shape: [9] }), code('INVALID_TENSOR'))
      tensor[Symbol.dispose]()
      tensor[Symbol.dispose]()
      assert.throws(() => read(tensor), code('DISPOSED'))
    },
  },
  {
    name: 'a tensor that is given up keeps its memory for the work in flight',
    async run() {
      using held = new CudaTestStream(gpu)
      using to = deviceTensor('bfloat16', [MiB / 4], gpu)
      const from = deviceTensor('bfloat16', [MiB / 4], gpu)
      fill([from], 1)
      held.submit()
      copy(from, to, held)
      from[Symbol.dispose]()
      // Whoever would be given its memory writes into it.
      const others = [1, 2, 3, 4].map(() => deviceTensor('bfloat16', [MiB / 4], gpu))
      const pinned = pinnedTensor('bfloat16', [MiB / 4], gpu)
      fill([pinned], 9)
      using writer = new CudaTestStream(gpu)
      for (const other of others) copy(pinned, other, writer)
      await writer.synchronize()
      held.complete()
      await held.synchronize()
      expectFilled([to], 1)
      expectFilled(others.slice(0, 1), 9)
      for (const tensor of [...others, pinned]) tensor[Symbol.dispose]()
    },
  },
  {
    // Giving pinned memory back to the system waits for all work of the device.
    name: 'a pinned tensor that is given up while a stream works is kept for the next, and waits for nobody',
    async run() {
      using held = new CudaTestStream(gpu)
      const first = pinnedTensor('float32', [5000], gpu)
      fill([first], 1)
      first[Symbol.dispose]()
      deviceMemory(gpu) // looks for what has left
      held.submit()
      using second = pinnedTensor('float32', [5000], gpu)
      assert.equal(second.data, first.data)
      expectZero([second])
      const third = pinnedTensor('float32', [5000], gpu)
      using to = deviceTensor('float32', [5000], gpu)
      fill([third], 3)
      copy(third, to, held)
      third[Symbol.dispose]()
      await setImmediate()
      using fourth = pinnedTensor('float32', [5000], gpu)
      assert.notEqual(fourth.data, third.data)
      held.complete()
      await held.synchronize()
      expectFilled([to], 3)
    },
  },
  {
    name: 'memory is given back whole, disposed or collected',
    async run() {
      const use = () => {
        const tensors = [1, 100, 64 * MiB, 3 * MiB].map((size) =>
          deviceTensor('float32', [size], gpu),
        )
        fill(tensors.slice(0, 2), 3)
        return tensors
      }
      const before: number[] = []
      for (let round = 0; round < 3; round++) {
        for (const tensor of use()) tensor[Symbol.dispose]()
        before.push(deviceMemory(gpu).freeBytes)
      }
      assert.equal(before[2], before[1])
      if (!globalThis.gc) return
      use()
      for (let i = 0; i < 5 && deviceMemory(gpu).freeBytes < before[2]!; i++) {
        globalThis.gc()
        await setImmediate()
      }
      assert.equal(deviceMemory(gpu).freeBytes, before[2])
    },
  },
  {
    name: 'a tensor that does not fit is a typed error, and the next one is made',
    run() {
      const { totalBytes } = deviceMemory(gpu)
      assert.throws(() => deviceTensor('float32', [totalBytes / 2], gpu), code('OUT_OF_MEMORY'))
      using tensor = deviceTensor('float32', [1024], gpu)
      fill([tensor], 1)
      expectFilled([tensor], 1)
    },
  },
  {
    name: 'memory that comes back is waited for when it is needed',
    run() {
      const half = Math.floor((deviceMemory(gpu).freeBytes * 0.6) / MiB) * MiB
      for (let i = 0; i < 2; i++) {
        const tensor = deviceTensor('float8_e4m3', [half], gpu)
        tensor[Symbol.dispose]()
      }
    },
  },
  {
    name: 'a pinned tensor is one of the host',
    run() {
      using tensor = pinnedTensor('float16', [300], gpu)
      assert.deepEqual(tensor.device, { type: 'cpu' })
      expectZero([tensor])
      write(tensor, pattern(tensor, 4))
      assert.deepEqual(read(tensor), pattern(tensor, 4))
    },
  },
]
