/** Pages of a GPU in other processes. */
import assert from 'node:assert/strict'

import type { SuiteCase } from '@vattention/conformance'
import {
  capture,
  CudaStream,
  CudaTestStream,
  deviceMemory,
  importPages,
  read,
} from '@vattention/core'
import type { Layout } from '@vattention/interface'

import { PageReader } from './page-reader.ts'
import {
  code,
  expectFilled,
  fill,
  gpu,
  makeCache,
  pageBytes,
  rowsOf,
  sequenceOf,
  stepTo,
  tokensPerPage,
  u32,
} from './support.ts'

const layouts: readonly (readonly [string, Layout])[] = [
  ['interleaved', 'interleaved'],
  ['split', 'split'],
  ['in groups of layers', { layerGroup: 2 }],
]

export const exportCases: readonly SuiteCase[] = [
  ...layouts.map(([words, layout]) => ({
    name: `another process sees the same rows, ${words}`,
    async run() {
      using cache = makeCache({ layout })
      const tokens = 3 * tokensPerPage + 5
      const first = sequenceOf(cache, tokens)
      fill(rowsOf(cache, first, 0, tokens), 1)
      const child = cache.fork(first, tokens)!
      stepTo(cache, child, tokens)
      using pages = cache.exportPages(u32(first, child))
      await pages.ready.wait()
      const { manifest } = pages
      assert.equal(manifest.device.type, 'cuda')
      // A GPU's page is a file, also where two sequences show it.
      assert.equal(pages.files.length, manifest.files)
      assert.equal(new Set(manifest.pages.map(({ file }) => file)).size, manifest.files)
      if (layout === 'interleaved') {
        assert.equal(manifest.pages.length, 8)
        assert.equal(manifest.files, 5)
      }
      await using reader = await PageReader.start(pages)
      await reader.expectFilled(0, rowsOf(cache, first, 0, tokens), 1)
      await reader.expectFilled(1, rowsOf(cache, child, 0, tokens), 1)
    },
  })),
  {
    name: 'exported pages outlive their sequence and the cache, and nobody else is given them',
    async run() {
      const tokens = 2 * tokensPerPage + 5
      const cache = makeCache({ maxSequences: 1, limitBytes: 8 * pageBytes })
      const sequence = sequenceOf(cache, tokens)
      const rows = rowsOf(cache, sequence, 0, tokens)
      fill(rows, 1)
      using pages = cache.exportPages(u32(sequence))
      await using early = await PageReader.start(pages)
      cache.free(sequence)
      cache.trim()
      assert.equal(cache.stats().retainedBytes, 3 * pageBytes)
      const other = sequenceOf(cache, 5 * tokensPerPage)
      fill(rowsOf(cache, other, 0, 5 * tokensPerPage), 9)
      await early.expectFilled(0, rows, 1)
      cache.check()
      cache[Symbol.dispose]()
      await early.expectFilled(0, rows, 1)
      await using late = await PageReader.start(pages)
      await late.expectFilled(0, rows, 1)
      pages[Symbol.dispose]()
      // Who has mapped them keeps them.
      await late.expectFilled(0, rows, 1)
    },
  },
  {
    name: 'tokens that are written again are written to a copy, those behind them in place',
    async run() {
      using cache = makeCache()
      const tokens = 2 * tokensPerPage + 5
      const sequence = sequenceOf(cache, tokens)
      const rows = rowsOf(cache, sequence, 0, tokens)
      fill(rows, 1)
      using pages = cache.exportPages(u32(sequence))
      await using reader = await PageReader.start(pages)
      stepTo(cache, sequence, tokens + 20)
      assert.equal(cache.stats().copiedBytes, 0)
      fill(rowsOf(cache, sequence, tokens, tokens + 20), 5)
      await reader.expectFilled(0, rows, 1)
      cache.truncate(sequence, 20)
      stepTo(cache, sequence, tokens)
      assert.ok(cache.stats().copiedBytes > 0)
      fill(rowsOf(cache, sequence, 20, tokens), 9)
      await reader.expectFilled(0, rows, 1)
      expectFilled(rowsOf(cache, sequence, 20, tokens), 9)
      cache.check()
    },
  },
  {
    name: 'what another process writes into pages that it may write is seen here',
    async run() {
      using cache = makeCache()
      const tokens = 2 * tokensPerPage
      const sequence = sequenceOf(cache, tokens)
      fill(rowsOf(cache, sequence, 0, tokens), 1)
      using pages = cache.exportPages(u32(sequence), { lengths: u32(100), writable: true })
      {
        await using reader = await PageReader.start(pages, true)
        await reader.write(0, 7)
      }
      for (const tensor of rowsOf(cache, sequence, 0, 100)) {
        assert.ok(read(tensor).every((value) => value === 7))
      }
      for (const tensor of rowsOf(cache, sequence, 100, tokens)) {
        assert.ok(read(tensor).every((value) => value > 0))
      }
    },
  },
  {
    name: 'pages are mapped a second time into the process that has exported them',
    run() {
      using cache = makeCache({ layout: 'split' })
      const tokens = 600
      const sequence = sequenceOf(cache, tokens)
      fill(rowsOf(cache, sequence, 0, tokens), 1)
      using exported = cache.exportPages(u32(sequence))
      using pages = importPages(exported.manifest, exported.files)
      assert.deepEqual(pages.device, gpu)
      cache.free(sequence)
      expectFilled(
        pages.rows(0).flatMap(({ key, value }) => [key, value]),
        1,
      )
    },
  },
  {
    name: 'memory comes back when the export and the other process are gone',
    async run() {
      const tokens = 32 * tokensPerPage
      using cache = makeCache()
      const before = deviceMemory(gpu).freeBytes
      const sequence = sequenceOf(cache, tokens)
      {
        using pages = cache.exportPages(u32(sequence))
        await using reader = await PageReader.start(pages)
        assert.ok(reader)
        cache.free(sequence)
        cache.trim()
        assert.equal(cache.stats().totalBytes, 32 * pageBytes)
        assert.ok(deviceMemory(gpu).freeBytes <= before - 32 * pageBytes)
      }
      assert.equal(cache.stats().retainedBytes, 0)
      cache.trim()
      assert.equal(cache.stats().totalBytes, 0)
      // The other process's share goes with it, which the driver may take a moment for.
      for (let i = 0; i < 100 && deviceMemory(gpu).freeBytes < before; i++) {
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
      assert.equal(deviceMemory(gpu).freeBytes, before)
    },
  },
  {
    name: 'an export is ready behind the streams that write',
    async run() {
      using cache = makeCache()
      using held = new CudaTestStream(gpu)
      cache.attachStream(held)
      const sequence = sequenceOf(cache, 10)
      const work = held.submit()
      using pages = cache.exportPages(u32(sequence))
      assert.equal(pages.ready.done, false)
      held.complete(work)
      await pages.ready.wait()
      await held.synchronize()
      cache.detachStream(held)
    },
  },
  {
    name: 'nothing is exported while an attached stream is captured',
    run() {
      using cache = makeCache()
      using stream = new CudaStream(gpu)
      cache.attachStream(stream)
      const sequence = sequenceOf(cache, 10)
      using graph = capture(stream, () => {
        assert.throws(() => cache.exportPages(u32(sequence)), code('BUSY'))
      })
      assert.equal(graph.result, undefined)
      cache.exportPages(u32(sequence))[Symbol.dispose]()
      assert.equal(cache.stats().retainedBytes, 0)
    },
  },
]
