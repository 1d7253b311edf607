/** The contiguous cache on a GPU: what its conformance does not see. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { SkipCase, type SuiteCase } from '@vattention/conformance'
import {
  copy,
  CudaStream,
  CudaTestStream,
  deviceMemory,
  deviceTensor,
  recordFence,
} from '@vattention/core'
import type { Tensor } from '@vattention/interface'

import {
  code,
  expectFilled,
  expectZero,
  fill,
  gpu,
  makeCache,
  needBytes,
  pageBytes,
  rowsOf,
  secondGpu,
  sequenceOf,
  small,
  stepTo,
  tokensPerPage,
  u32,
} from './support.ts'

/** A token of Llama-3-8B: a page of 2 MiB holds 16. */
const large = { ...small, layers: 32, maxLength: 2 ** 17 }
const largeTokenBytes = 131072

export const cacheCases: readonly SuiteCase[] = [
  {
    name: 'two caches on one device do not see each other',
    run() {
      using a = makeCache({ mapAhead: {} })
      const first = sequenceOf(a, 1000)
      fill(rowsOf(a, first, 0, 1000), 1)
      {
        using b = makeCache({ layout: 'split', mapAhead: {} })
        const second = sequenceOf(b, 1000)
        expectZero(rowsOf(b, second, 0, 1000))
        fill(rowsOf(b, second, 0, 1000), 9)
        stepTo(a, first, 1500)
        expectFilled(rowsOf(a, first, 0, 1000), 1)
        expectFilled(rowsOf(b, second, 0, 1000), 9)
      }
      stepTo(a, first, 2000)
      expectFilled(rowsOf(a, first, 0, 1000), 1)
      expectZero(rowsOf(a, first, 1000, 2000))
      a.check()
    },
  },
  {
    name: 'caches made, used and disposed give all memory back',
    run() {
      const free: number[] = []
      for (let round = 0; round < 12; round++) {
        const layout = (['interleaved', 'split', { layerGroup: 2 }] as const)[round % 3]!
        using cache = makeCache({ layout, ...(round % 2 && { mapAhead: {} }) })
        const sequence = sequenceOf(cache, 1000)
        const child = cache.fork(sequence, 500)!
        stepTo(cache, child, 700)
        if (round % 2) cache.free(sequence)
        cache[Symbol.dispose]()
        free.push(deviceMemory(gpu).freeBytes)
      }
      assert.deepEqual(free.slice(3), free.slice(3).fill(free[2]!))
    },
  },
  {
    name: 'without memory, which another process has, a step says so; with it again it succeeds',
    async run() {
      using cache = makeCache({ ...large, limitBytes: 2 ** 40 })
      const tokens = 64
      const sequence = sequenceOf(cache, tokens)
      fill(rowsOf(cache, sequence, 0, tokens), 1)
      const left = 2 ** 28
      const program = fileURLToPath(new URL('./hog.process.js', import.meta.url))
      if (!existsSync(program)) throw new SkipCase('needs a second process: npm run test:gpu')
      const hog = spawn(process.execPath, [program, String(left)], {
        stdio: ['pipe', 'pipe', 'inherit'],
      })
      const wanted = Math.ceil(2 ** 30 / largeTokenBytes)
      try {
        await once(hog.stdout, 'data')
        const before = cache.stats()
        const result = cache.step(u32(sequence), u32(wanted))
        assert.equal(result.status, 'outOfMemory')
        assert.ok(result.neededBytes > 0)
        assert.equal(cache.stats().totalBytes, before.totalBytes)
        cache.check()
        assert.throws(() => deviceTensor('float32', [2 ** 28], gpu), code('OUT_OF_MEMORY'))
        expectFilled(rowsOf(cache, sequence, 0, tokens), 1)
        stepTo(cache, sequence, tokens + 64)
        expectZero(rowsOf(cache, sequence, tokens, tokens + 64))
      } finally {
        hog.stdin.end()
        await once(hog, 'exit')
      }
      stepTo(cache, sequence, wanted)
      expectFilled(rowsOf(cache, sequence, 0, tokens), 1)
      expectZero(rowsOf(cache, sequence, wanted - 10, wanted))
    },
  },
  {
    name: 'pages that were freed behind a slow stream stay until it has read them',
    async run() {
      const tokens = 4 * tokensPerPage
      using cache = makeCache({ maxSequences: 2, limitBytes: 6 * pageBytes })
      using held = new CudaTestStream(gpu)
      const sequence = sequenceOf(cache, tokens)
      const rows = rowsOf(cache, sequence, 0, tokens)
      fill(rows, 1)
      const dense = rows.map(({ dtype, shape }) => deviceTensor(dtype, shape, gpu))
      cache.waitReady(held)
      held.submit()
      for (const [i, tensor] of rows.entries()) copy(tensor, dense[i]!, held)
      cache.free(sequence)
      cache.trim()
      // Four of six pages cannot be had yet, whoever asks.
      const next = cache.allocate()!.sequence
      const refused = cache.step(u32(next), u32(tokens))
      assert.equal(refused.status, 'outOfMemory')
      assert.equal(refused.pendingBytes, 4 * pageBytes)
      assert.throws(() => cache[Symbol.dispose](), code('BUSY'))
      held.complete()
      await held.synchronize()
      expectFilled(dense, 1)
      stepTo(cache, next, tokens)
      expectZero(rowsOf(cache, next, 0, tokens))
      cache.check()
      for (const tensor of dense) tensor[Symbol.dispose]()
    },
  },
  {
    name: 'a stream that waits for the cache never sees recycled rows before they are zero',
    async run() {
      // So much that zeroing it takes the device milliseconds.
      const bytes = Math.min(
        2 ** 34,
        Math.floor(deviceMemory(gpu).freeBytes / 4 / 2 ** 27) * 2 ** 27,
      )
      needBytes(3 * bytes)
      const tokens = bytes / largeTokenBytes
      using cache = makeCache({
        ...large,
        maxSequences: 1,
        limitBytes: bytes + 2 ** 28,
        sharePageBytes: 2 ** 27,
      })
      using stream = new CudaStream(gpu)
      const first = sequenceOf(cache, tokens)
      // One token's row of all layers after the other: something everywhere, written by the device.
      using junk = deviceTensor('bfloat16', [2 ** 25], gpu)
      fill([junk], 3)
      const [start] = rowsOf(cache, first, 0, 1)
      const step = 2n ** 26n
      for (let at = 0n; at < BigInt(bytes); at += step) {
        copy(junk, { ...junk, data: start!.data + at, owner: undefined } as Tensor, stream)
      }
      await stream.synchronize()
      // Made beforehand: making a tensor waits for the device.
      const shapes = rowsOf(cache, first, tokens - 16, tokens).slice(-8)
      const dense = shapes.map(({ dtype, shape }) => deviceTensor(dtype, shape, gpu))
      cache.free(first)
      let inFlight = 0
      // A quick device may be done before it is asked.
      for (let round = 0; round < 3 || (inFlight === 0 && round < 50); round++) {
        const next = sequenceOf(cache, tokens)
        const rows = rowsOf(cache, next, tokens - 16, tokens).slice(-8)
        cache.waitReady(stream)
        using zeroed = recordFence(stream)
        if (!zeroed.done) inFlight++
        for (const [i, tensor] of rows.entries()) copy(tensor, dense[i]!, stream)
        await stream.synchronize()
        expectZero(dense)
        for (let at = 0n; at < BigInt(bytes); at += step) {
          copy(junk, { ...junk, data: start!.data + at, owner: undefined } as Tensor, stream)
        }
        await stream.synchronize()
        cache.free(next)
      }
      for (const tensor of dense) tensor[Symbol.dispose]()
      assert.ok(inFlight > 0, 'the zeroing never was in flight: this has shown nothing')
    },
  },
  {
    name: 'a fork shows the boundary page that is copied for it to a stream that waits',
    async run() {
      using cache = makeCache()
      using stream = new CudaStream(gpu)
      const tokens = 3 * tokensPerPage + 50
      const source = sequenceOf(cache, tokens)
      fill(rowsOf(cache, source, 0, tokens), 1)
      for (let round = 0; round < 20; round++) {
        const child = cache.fork(source, tokens)!
        stepTo(cache, child, tokens + 1)
        const rows = rowsOf(cache, child, 0, tokens)
        const dense = rows.map(({ dtype, shape }) => deviceTensor(dtype, shape, gpu))
        cache.waitReady(stream)
        for (const [i, tensor] of rows.entries()) copy(tensor, dense[i]!, stream)
        await stream.synchronize()
        expectFilled(dense, 1)
        fill(rowsOf(cache, child, tokens, tokens + 1), 99)
        cache.free(child)
        for (const tensor of dense) tensor[Symbol.dispose]()
      }
      expectFilled(rowsOf(cache, source, 0, tokens), 1)
      cache.check()
    },
  },
  {
    name: 'a fence of the device is good for free, and disposing waits for streams in flight',
    async run() {
      const cache = makeCache({ maxSequences: 1, limitBytes: pageBytes })
      using held = new CudaTestStream(gpu)
      const sequence = sequenceOf(cache, 10)
      const work = held.submit()
      using fence = recordFence(held)
      cache.free(sequence, fence)
      const next = cache.allocate()!.sequence
      assert.equal(cache.step(u32(next), u32(1)).status, 'outOfMemory')
      held.complete(work)
      stepTo(cache, next, 1)
      cache.attachStream(held)
      held.submit()
      assert.throws(() => cache.dispose(), code('BUSY'))
      const disposed = cache.disposeAsync()
      held.complete()
      await disposed
    },
  },
  {
    name: 'a cache, tensors and streams on each of two GPUs',
    async run() {
      const there = secondGpu()
      using here = makeCache({ mapAhead: {} })
      using far = makeCache({ device: there, mapAhead: {} })
      const sequences = [here, far].map((cache) => sequenceOf(cache, 1000))
      for (const [i, cache] of [here, far].entries()) {
        fill(rowsOf(cache, sequences[i]!, 0, 1000), 1 + 50 * i)
      }
      using stream = new CudaStream(there)
      assert.throws(() => here.waitReady(stream), code('INVALID_ARGUMENT'))
      const from = rowsOf(here, sequences[0]!, 0, 1000)
      const to = rowsOf(far, sequences[1]!, 0, 1000)
      far.waitReady(stream)
      for (const [i, tensor] of from.entries()) copy(tensor, to[i]!, stream)
      await stream.synchronize()
      expectFilled(to, 1)
      for (const [i, cache] of [here, far].entries()) {
        stepTo(cache, sequences[i]!, 2000)
        expectFilled(rowsOf(cache, sequences[i]!, 0, 1000), 1)
        expectZero(rowsOf(cache, sequences[i]!, 1000, 2000))
        cache.check()
      }
      assert.ok(deviceMemory(there).freeBytes < deviceMemory(there).totalBytes)
    },
  },
]
