/** Streams, fences, copies in their order. */
import assert from 'node:assert/strict'

import type { SuiteCase } from '@vattention/conformance'
import {
  copy,
  CudaStream,
  CudaTestStream,
  deviceTensor,
  HostTimeline,
  hostTensor,
  pinnedTensor,
  read,
  recordFence,
  waitFor,
  write,
} from '@vattention/core'
import { elementCount, type Tensor } from '@vattention/interface'

import {
  code,
  expectFilled,
  expectSame,
  expectZero,
  fill,
  gpu,
  makeCache,
  needBytes,
  rowsOf,
  secondGpu,
  sequenceOf,
} from './support.ts'

/** Shapes and strides that a copy meets: dense, cut out, turned, spread, in more dimensions. */
const layouts: { shape: number[]; from: number[]; to: number[] }[] = [
  { shape: [4096], from: [1], to: [1] },
  { shape: [50, 40], from: [64, 1], to: [40, 1] },
  { shape: [50, 40], from: [1, 50], to: [40, 1] },
  { shape: [7, 9, 16], from: [400, 32, 1], to: [144, 16, 1] },
  { shape: [7, 9, 16], from: [144, 16, 1], to: [16, 400, 1] },
  { shape: [3, 4, 5, 6], from: [1, 3, 12, 60], to: [1000, 200, 30, 4] },
  { shape: [2, 3, 4, 5, 6], from: [1000, 300, 70, 12, 2], to: [360, 120, 30, 6, 1] },
  { shape: [6, 33], from: [0, 1], to: [33, 1] },
  { shape: [6, 33], from: [33, 1], to: [100, 3] },
  { shape: [1, 1, 5], from: [9, 7, 2], to: [1, 1, 1] },
]

const span = (shape: number[], strides: number[]) =>
  shape.reduce((sum, size, i) => sum + (size - 1) * strides[i]!, 1)

export const streamCases: readonly SuiteCase[] = [
  {
    name: 'a fence passes when its stream does, and not before',
    async run() {
      using held = new CudaTestStream(gpu)
      using idle = recordFence(held)
      assert.equal(idle.done, true)
      const first = held.submit()
      using one = recordFence(held)
      const second = held.submit()
      using two = recordFence(held)
      assert.deepEqual([one.done, two.done], [false, false])
      const waits = [one.wait(), one.wait()]
      held.complete(first)
      assert.deepEqual([one.done, two.done], [true, false])
      await Promise.all(waits)
      held.complete(second)
      await two.wait()
      assert.equal(two.done, true)
    },
  },
  {
    name: 'synchronize waits for a stream, and the event loop goes on meanwhile',
    async run() {
      using held = new CudaTestStream(gpu)
      using other = new CudaStream(gpu)
      held.submit()
      let passed = false
      const wait = held.synchronize().then(() => (passed = true))
      await other.synchronize()
      await new Promise((resolve) => setTimeout(resolve, 20))
      assert.equal(passed, false)
      held.complete()
      await wait
    },
  },
  {
    name: 'a stream waits for the fence of another',
    async run() {
      using held = new CudaTestStream(gpu)
      using stream = new CudaStream(gpu)
      using from = pinnedTensor('float32', [1000], gpu)
      using to = deviceTensor('float32', [1000], gpu)
      using back = pinnedTensor('float32', [1000], gpu)
      fill([from], 3)
      held.submit()
      using fence = recordFence(held)
      waitFor(stream, fence)
      copy(from, to, stream)
      copy(to, back, stream)
      using end = recordFence(stream)
      await new Promise((resolve) => setTimeout(resolve, 20))
      assert.equal(end.done, false)
      expectZero([back])
      held.complete()
      await end.wait()
      expectFilled([back], 3)
    },
  },
  {
    name: 'a stream does not wait for threads of the host',
    run() {
      using stream = new CudaStream(gpu)
      using timeline = new HostTimeline()
      timeline.submit()
      using fence = recordFence(timeline)
      assert.throws(() => waitFor(stream, fence), code('UNSUPPORTED'))
    },
  },
  {
    name: 'a disposed stream is refused, and lives on where a cache has attached it',
    async run() {
      using cache = makeCache()
      const stream = new CudaStream(gpu)
      cache.attachStream(stream)
      const sequence = sequenceOf(cache, 100)
      stream[Symbol.dispose]()
      stream[Symbol.dispose]()
      assert.throws(() => recordFence(stream), code('DISPOSED'))
      await assert.rejects(stream.synchronize(), code('DISPOSED'))
      assert.throws(() => cache.attachStream(stream), code('DISPOSED'))
      cache.free(sequence)
      sequenceOf(cache, 200)
      cache.check()
      cache.detachStream(stream)
    },
  },
  {
    name: 'copies follow the strides of both sides, on the device and to and from the host',
    async run() {
      using stream = new CudaStream(gpu)
      for (const dtype of ['bfloat16', 'float32', 'float8_e4m3'] as const) {
        for (const { shape, from, to } of layouts) {
          const sizes = [span(shape, from), span(shape, to)] as const
          const values = Float32Array.from({ length: sizes[0] }, (_, i) => (i % 15) + 1)
          // What it should be: the same copy within the host.
          using hostFrom = hostTensor(dtype, [sizes[0]])
          using hostTo = hostTensor(dtype, [sizes[1]])
          write(hostFrom, values)
          const view = (tensor: Tensor, strides: number[]) => ({ ...tensor, shape, strides })
          copy(view(hostFrom, from), view(hostTo, to))
          const expected = read(hostTo)
          for (const order of [undefined, stream]) {
            using pinnedFrom = pinnedTensor(dtype, [sizes[0]], gpu)
            using deviceFrom = deviceTensor(dtype, [sizes[0]], gpu)
            write(pinnedFrom, values)
            write(deviceFrom, values)
            for (const source of [pinnedFrom, deviceFrom]) {
              const targets = [deviceTensor(dtype, [sizes[1]], gpu)]
              if (source === deviceFrom) targets.push(pinnedTensor(dtype, [sizes[1]], gpu))
              for (const target of targets) {
                copy(view(source, from), view(target, to), order)
                await stream.synchronize()
                expectSame(read(target), expected, JSON.stringify({ dtype, shape, from, to }))
                target[Symbol.dispose]()
              }
            }
          }
        }
      }
    },
  },
  {
    name: 'a copy of more than 2 GiB in one piece',
    run() {
      const shape = [2 ** 31 + 4096]
      needBytes(2 * shape[0]! + 2 ** 28)
      using from = deviceTensor('float8_e4m3', shape, gpu)
      using to = deviceTensor('float8_e4m3', shape, gpu)
      const end = (tensor: Tensor): Tensor => ({
        ...tensor,
        data: tensor.data + 2n ** 31n,
        shape: [4096],
      })
      fill([end(from)], 2)
      copy(from, to)
      assert.deepEqual(read(end(to)), read(end(from)))
    },
  },
  {
    name: 'a copy in order refuses memory that the GPU does not reach by itself',
    async run() {
      using stream = new CudaStream(gpu)
      using from = hostTensor('float32', [64])
      using to = deviceTensor('float32', [64], gpu)
      assert.throws(() => copy(from, to, stream), code('INVALID_ARGUMENT'))
      assert.throws(() => copy(to, from, stream), code('INVALID_ARGUMENT'))
      fill([from], 5)
      copy(from, to)
      expectFilled([to], 5)
      await stream.synchronize()
    },
  },
  {
    name: 'rows of a cache that are not backed are refused, and the device works on',
    async run() {
      using cache = makeCache()
      using stream = new CudaStream(gpu)
      const sequence = sequenceOf(cache, 10)
      const [rows] = rowsOf(cache, sequence, 0, 2000)
      using dense = deviceTensor('bfloat16', rows!.shape, gpu)
      assert.throws(() => read(rows!), code('INVALID_ARGUMENT'))
      assert.throws(() => copy(rows!, dense), code('INVALID_ARGUMENT'))
      assert.throws(() => copy(rows!, dense, stream), code('INVALID_ARGUMENT'))
      await stream.synchronize()
      const [backed] = rowsOf(cache, sequence, 0, 10)
      fill([backed!], 1)
      expectFilled([backed!], 1)
    },
  },
  {
    name: 'copies between two GPUs, whole and strided',
    async run() {
      const there = secondGpu()
      using stream = new CudaStream(there)
      for (const { shape, from, to } of layouts) {
        using source = deviceTensor('bfloat16', [span(shape, from)], gpu)
        using target = deviceTensor('bfloat16', [span(shape, to)], there)
        fill([source], 1)
        const a = { ...source, shape, strides: from }
        const b = { ...target, shape, strides: to }
        copy(a, b)
        assert.deepEqual(read(b), read(a))
        write(b, new Float32Array(elementCount(shape)))
        copy(a, b, stream)
        await stream.synchronize()
        assert.deepEqual(read(b), read(a))
      }
      // A fence of one GPU holds the stream of the other.
      using held = new CudaTestStream(gpu)
      using source = deviceTensor('float32', [100], gpu)
      using target = deviceTensor('float32', [100], there)
      fill([source], 7)
      held.submit()
      using fence = recordFence(held)
      waitFor(stream, fence)
      copy(source, target, stream)
      using end = recordFence(stream)
      assert.equal(end.done, false)
      held.complete()
      await end.wait()
      expectFilled([target], 7)
    },
  },
]
