/** Capture of a stream into a graph, and caches meanwhile. */
import assert from 'node:assert/strict'

import type { SuiteCase } from '@vattention/conformance'
import {
  capture,
  copy,
  CudaStream,
  deviceTensor,
  pinnedTensor,
  read,
  recordFence,
  waitFor,
  write,
} from '@vattention/core'

import {
  code,
  expectFilled,
  expectZero,
  fill,
  gpu,
  makeCache,
  rowsOf,
  sequenceOf,
  stepTo,
  tokensPerPage,
} from './support.ts'

export const graphCases: readonly SuiteCase[] = [
  {
    name: 'nothing runs while it is captured, and all of it with every replay',
    async run() {
      using stream = new CudaStream(gpu)
      using other = new CudaStream(gpu)
      const from = pinnedTensor('float32', [500], gpu)
      const middle = deviceTensor('float32', [500], gpu)
      const to = pinnedTensor('float32', [500], gpu)
      fill([from], 1)
      using graph = capture(stream, () => {
        copy(from, middle, stream)
        copy(middle, to, stream)
        return [from, middle, to]
      })
      await stream.synchronize()
      expectZero([to, middle])
      for (const [seed, on] of [
        [1, stream],
        [2, stream],
        [3, other],
      ] as const) {
        fill([from], seed)
        graph.replay(on)
        await on.synchronize()
        expectFilled([to], seed)
      }
      assert.equal(graph.result.length, 3)
      graph[Symbol.dispose]()
      graph[Symbol.dispose]()
      assert.throws(() => graph.replay(stream), code('DISPOSED'))
      for (const tensor of graph.result) tensor[Symbol.dispose]()
    },
  },
  {
    name: 'a function that throws, or promises, leaves the stream as it was',
    async run() {
      using stream = new CudaStream(gpu)
      using from = pinnedTensor('float32', [50], gpu)
      using to = deviceTensor('float32', [50], gpu)
      fill([from], 2)
      const mistake = new Error('a mistake')
      assert.throws(
        () =>
          capture(stream, () => {
            copy(from, to, stream)
            throw mistake
          }),
        mistake,
      )
      assert.throws(() => capture(stream, async () => undefined), code('INVALID_ARGUMENT'))
      expectZero([to])
      copy(from, to, stream)
      await stream.synchronize()
      expectFilled([to], 2)
    },
  },
  {
    name: 'what waits for the device is refused meanwhile, and breaks nothing',
    async run() {
      using cache = makeCache()
      using stream = new CudaStream(gpu)
      using other = new CudaStream(gpu)
      using from = deviceTensor('float32', [50], gpu)
      using to = deviceTensor('float32', [50], gpu)
      using outside = recordFence(other)
      fill([from], 2)
      const sequence = sequenceOf(cache, 10)
      cache.attachStream(stream)
      let wait = Promise.resolve()
      using graph = capture(stream, () => {
        copy(from, to, stream)
        wait = stream.synchronize()
        for (const refused of [
          () => read(from),
          () => write(to, new Float32Array(50)),
          () => copy(from, to),
          () => recordFence(stream),
          () => cache.recordFence(stream),
          () => cache.waitReady(stream),
          () => cache.free(sequence),
          () => cache[Symbol.dispose](),
          () => stream[Symbol.dispose](),
          () => capture(stream, () => undefined),
        ]) {
          assert.throws(refused, code('BUSY'), String(refused))
        }
        waitFor(other, outside)
        assert.equal(outside.done, true)
        // A new tensor waits only for its own zeros.
        deviceTensor('float32', [1000], gpu)[Symbol.dispose]()
      })
      await assert.rejects(wait, code('BUSY'))
      expectZero([to])
      graph.replay(stream)
      await stream.synchronize()
      expectFilled([to], 2)
      cache.free(sequence)
    },
  },
  {
    name: 'caches step, fork and copy while a stream is captured, and the mapper maps',
    async run() {
      using cache = makeCache({ mapAhead: { tokens: 512 }, limitBytes: 2 ** 29 })
      using stream = new CudaStream(gpu)
      const first = sequenceOf(cache, 300)
      fill(rowsOf(cache, first, 0, 300), 1)
      const old = sequenceOf(cache, 500)
      fill(rowsOf(cache, old, 0, 500), 5)
      cache.free(old)
      using from = deviceTensor('float32', [50], gpu)
      using to = deviceTensor('float32', [50], gpu)
      fill([from], 2)
      using graph = capture(stream, () => {
        copy(from, to, stream)
        const child = cache.fork(first, 300)!
        stepTo(cache, child, 310)
        const next = cache.allocate()!.sequence
        for (let length = 100; length <= 2000; length += 100) {
          stepTo(cache, next, length)
          cache.mapper.drain()
        }
        return [child, next]
      })
      const [child, next] = graph.result
      expectFilled(rowsOf(cache, child!, 0, 300), 1)
      expectZero(rowsOf(cache, next!, 0, 500))
      expectZero([to])
      graph.replay(stream)
      await stream.synchronize()
      expectFilled([to], 2)
      cache.check()
    },
  },
  {
    name: 'a graph over a cache replays right after it grew, and after its pages moved',
    async run() {
      using cache = makeCache({ maxSequences: 1 })
      using stream = new CudaStream(gpu)
      const tokens = 4 * tokensPerPage
      let sequence = sequenceOf(cache, tokens)
      const rows = rowsOf(cache, sequence, 0, tokens)
      const dense = rows.map(({ dtype, shape }) => deviceTensor(dtype, shape, gpu))
      fill(rows, 1)
      using graph = capture(stream, () => {
        for (const [i, tensor] of rows.entries()) copy(tensor, dense[i]!, stream)
        return dense
      })
      const expectReplay = async (seed: number) => {
        cache.waitReady(stream)
        graph.replay(stream)
        await stream.synchronize()
        expectFilled(dense, seed)
      }
      await expectReplay(1)
      stepTo(cache, sequence, 3 * tokens)
      await expectReplay(1)
      for (const seed of [2, 3]) {
        cache.free(sequence)
        assert.ok(cache.trim() > 0)
        // Something else has the pages that it had.
        using other = makeCache()
        fill(rowsOf(other, sequenceOf(other, tokens), 0, tokens), 50)
        sequence = sequenceOf(cache, tokens)
        fill(rowsOf(cache, sequence, 0, tokens), seed)
        await expectReplay(seed)
      }
      for (const tensor of dense) tensor[Symbol.dispose]()
    },
  },
]
