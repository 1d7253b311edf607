import { createHash } from 'node:crypto'
import { closeSync, fstatSync, openSync, readdirSync } from 'node:fs'

import { sameDevice, type Layout, type Sequence } from '@vattention/interface'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import {
  HostTimeline,
  importPages,
  read,
  write,
  type ContiguousKvCache,
  type PageExport,
  type PageManifest,
} from '../src/index.ts'
import {
  code,
  makeCache,
  pageBytes,
  sequenceOf,
  small,
  stepTo,
  tensors,
  tokensPerPage,
  u32,
} from './support/caches.ts'
import { compile, runScript, type Compiled } from './support/child.ts'
import { fillRows, hasRows, isZero, patternOf, rowsOf } from './support/rows.ts'

let core: Compiled
beforeAll(() => {
  core = compile()
})
afterAll(() => core[Symbol.dispose]())

/** A sequence of `length` tokens with rows of its own. */
function written(cache: ContiguousKvCache, length: number, seed: number): Sequence {
  const sequence = sequenceOf(cache, length)
  fillRows(cache, sequence, 0, length, seed)
  return sequence
}

/**
 * Runs `body` in another process that has imported the pages as `pages`; `result` is what it gives.
 * All that it knows of them is JSON and its descriptors.
 */
function elsewhere<Result>(exported: PageExport, body: string, writable = false): Result {
  const script = `
import { closeSync } from 'node:fs'
const { importPages, read, readBits, write } = await import('${core.url}')
const manifest = JSON.parse(${JSON.stringify(JSON.stringify(exported.manifest))})
const files = Array.from({ length: manifest.files }, (_, i) => 3 + i)
const pages = importPages(manifest, files, { writable: ${writable} })
files.forEach((file) => closeSync(file))
let result
${body}
pages[Symbol.dispose]()
process.stdout.write(JSON.stringify(result))
`
  return runScript<Result>(script, [], exported.files)
}

const digest = (values: Float32Array | Int32Array) =>
  createHash('sha256').update(values).digest('hex')

/** Digests of the first `length` rows of a sequence in all tensors, as another process reads them. */
const readElsewhere = (exported: PageExport, sequence: number, length: number) =>
  elsewhere<string[]>(
    exported,
    `
const { createHash } = await import('node:crypto')
result = pages.rows(${sequence}).flatMap(({ key, value }) => [key, value]).map((tensor) => {
  const rows = read({ ...tensor, shape: [${length}, ...tensor.shape.slice(1)] })
  return createHash('sha256').update(rows).digest('hex')
})`,
  )

/** The same of rows that `written` has made. */
const expectedRows = (cache: ContiguousKvCache, sequence: Sequence, length: number, seed: number) =>
  rowsOf(cache, sequence, 0, length).map((rows, i) => digest(patternOf(rows, 0, seed + 1000 * i)))

const openFiles = () => readdirSync('/proc/self/fd').length

describe('exported pages in another process', () => {
  const layouts: Layout[] = ['split', 'interleaved', { layerGroup: 1 }]

  it.each(layouts)('show the same rows (%j)', (layout) => {
    using cache = makeCache({ layout, valueHeadDim: 32 })
    const first = written(cache, 150, 5)
    const child = cache.fork(first, 100)!
    stepTo(cache, child, 120)
    fillRows(cache, child, 100, 120, 7)
    using pages = cache.exportPages(u32(child, first))
    expect(pages.manifest).toMatchObject({
      version: 1,
      device: { type: 'cpu' },
      dtype: 'float32',
      layout,
      writable: false,
      lengths: [120, 150],
      files: 1,
    })
    expect(pages.manifest.layers[1]!.value.shape).toEqual([2, 150, 4, 32])
    expect(readElsewhere(pages, 1, 150)).toEqual(expectedRows(cache, first, 150, 5))
    expect(readElsewhere(pages, 0, 100)).toEqual(expectedRows(cache, first, 100, 5))
    expect(readElsewhere(pages, 0, 120)).toEqual(
      rowsOf(cache, child, 0, 120).map((tensor) => digest(read(tensor))),
    )
    cache.check()
  })

  it('outlive their sequence and the cache, and nobody else is given them', () => {
    const cache = makeCache()
    const sequence = written(cache, 130, 5)
    const expected = expectedRows(cache, sequence, 130, 5)
    using pages = cache.exportPages(u32(sequence))
    cache.free(sequence)
    cache.trim()
    expect(cache.stats().retainedBytes).toBe(3 * tensors * pageBytes)
    written(cache, 500, 9)
    expect(readElsewhere(pages, 0, 130)).toEqual(expected)
    cache.check()
    cache.dispose()
    expect(readElsewhere(pages, 0, 130)).toEqual(expected)
  })

  it('keep their rows when the sequence writes others', () => {
    using cache = makeCache()
    const sequence = written(cache, 130, 5)
    const expected = expectedRows(cache, sequence, 130, 5)
    using pages = cache.exportPages(u32(sequence))
    cache.truncate(sequence, 50)
    stepTo(cache, sequence, 200)
    fillRows(cache, sequence, 50, 200, 9)
    expect(readElsewhere(pages, 0, 130)).toEqual(expected)
    expect(hasRows(cache, sequence, 0, 50, 5)).toBe(true)
    expect(hasRows(cache, sequence, 50, 200, 9)).toBe(true)
    cache.check()
  })

  it('are written by an importer that may, and the owner sees it', () => {
    using cache = makeCache({ layout: 'interleaved' })
    const sequence = written(cache, 100, 5)
    using pages = cache.exportPages(u32(sequence), { lengths: u32(60), writable: true })
    const count = elsewhere<number>(
      pages,
      `
const [{ key }] = pages.rows(0)
const values = read(key)
write(key, values.map((value) => -value))
result = values.length`,
      true,
    )
    expect(count).toBe(60 * 4 * 64)
    const [key, value] = rowsOf(cache, sequence, 0, 60)
    expect(read(key!)).toEqual(patternOf(key!, 0, 5).map((each) => -each))
    expect(read(value!)).toEqual(patternOf(value!, 0, 1005))
    expect(hasRows(cache, sequence, 60, 100, 5)).toBe(true)
  })

  it('go through appended tokens without a copy of the pages before', () => {
    using cache = makeCache()
    const sequence = written(cache, 100, 5)
    using pages = cache.exportPages(u32(sequence))
    const before = cache.stats()
    stepTo(cache, sequence, 101)
    fillRows(cache, sequence, 100, 101, 5)
    expect(cache.stats().copiedBytes).toBe(before.copiedBytes)
    expect(readElsewhere(pages, 0, 100)).toEqual(expectedRows(cache, sequence, 100, 5))
  })
})

describe('an export', () => {
  it('lists pages by place, and describes tensors by strides', () => {
    using cache = makeCache()
    const sequence = written(cache, 2 * tokensPerPage, 5)
    using pages = cache.exportPages(u32(sequence, sequence), { lengths: u32(70, 0) })
    const { pages: listed, layers, lengths, sequenceBytes } = pages.manifest
    expect(lengths).toEqual([70, 0])
    expect(listed).toHaveLength(2 * tensors)
    expect(new Set(listed.map(({ offset }) => offset)).size).toBe(2 * tensors)
    for (const page of listed) {
      expect(page).toMatchObject({ sequence: 0, file: 0, bytes: pageBytes })
      expect(page.offset % pageBytes).toBe(0)
      expect(page.offset).toBeLessThan(sequenceBytes)
    }
    expect(layers).toHaveLength(small.layers)
    const view = cache.view()
    for (const [i, { key, value }] of layers.entries()) {
      expect(key.strides).toEqual(view.layers[i]!.key.strides)
      expect(value.shape).toEqual([2, 70, 4, 64])
    }
    expect(JSON.parse(JSON.stringify(pages.manifest))).toEqual(pages.manifest)
  })

  it('owns its files, and gives the memory back when it is disposed', () => {
    using cache = makeCache()
    const sequence = written(cache, 100, 5)
    const before = openFiles()
    const pages = cache.exportPages(u32(sequence))
    const [file] = pages.files
    expect(fstatSync(file!).isFile()).toBe(true)
    expect(openFiles()).toBe(before + 1)
    cache.free(sequence)
    expect(cache.stats().retainedBytes).toBeGreaterThan(0)
    pages[Symbol.dispose]()
    pages[Symbol.dispose]()
    expect(openFiles()).toBe(before)
    expect(() => pages.files).toThrow(code('DISPOSED'))
    expect(() => pages.ready.done).toThrow(code('DISPOSED'))
    cache.trim()
    expect(cache.stats().totalBytes).toBe(0)
  })

  it('is ready when what attached streams were given has ended', async () => {
    using cache = makeCache()
    const timeline = new HostTimeline()
    cache.attachStream(timeline)
    const sequence = written(cache, 10, 5)
    using early = cache.exportPages(u32(sequence))
    expect(early.ready.done).toBe(true)
    const work = timeline.submit()
    using pages = cache.exportPages(u32(sequence))
    expect(pages.ready.done).toBe(false)
    timeline.complete(work)
    await pages.ready.wait()
    expect(pages.ready.done).toBe(true)
  })

  it('costs no prefix that is in use when memory is short', () => {
    // 12 pages: 4 of the export, 4 that are shared, 4 left.
    using cache = makeCache({ limitBytes: 12 * pageBytes, maxSequences: 4 })
    const prompt = Uint32Array.from({ length: tokensPerPage }, (_, i) => i)
    const shown = written(cache, tokensPerPage, 5)
    cache.publish(shown, prompt)
    const ended = written(cache, tokensPerPage, 7)
    using pages = cache.exportPages(u32(ended))
    cache.free(ended)
    const next = cache.allocate()!.sequence
    const result = cache.step(u32(next), u32(2 * tokensPerPage))
    expect(result).toMatchObject({ status: 'outOfMemory', evictableBytes: 0 })
    expect(cache.allocate({ prefix: prompt })?.sharedLength).toBe(tokensPerPage - 1)
    expect(cache.stats().retainedBytes).toBe(tensors * pageBytes)
    pages[Symbol.dispose]()
    stepTo(cache, next, 2 * tokensPerPage)
    cache.check()
  })

  it('and an import go when nobody holds them any more, or their thread ends', () => {
    const script = `
import { readdirSync, readFileSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
const core = await import('${core.url}')
const options = ${JSON.stringify({ ...small, mapAhead: false })}
const hold = () => {
  const cache = new core.ContiguousKvCache(options)
  const timeline = new core.HostTimeline()
  cache.attachStream(timeline)
  const { sequence } = cache.allocate()
  cache.step(Uint32Array.of(sequence), Uint32Array.of(100))
  timeline.submit()
  const pages = cache.exportPages(Uint32Array.of(sequence))
  timeline.complete(1)
  cache.dispose()
  return { pages, mapped: core.importPages(pages.manifest, pages.files) }
}
const held = () => ({
  files: readdirSync('/proc/self/fd').length,
  pages: readFileSync('/proc/self/maps', 'utf8').split('memfd:vattention').length - 1,
})
const collect = async (least) => {
  for (let i = 0; i < 50 && held().files > least.files; i++) {
    globalThis.gc()
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
const inWorker = "import('${core.url}').then((core) => { const options = " + JSON.stringify(options) +
  "; globalThis.kept = (" + hold + ")() })"
const before = held()
for (let i = 0; i < 10; i++) hold()
const meanwhile = held()
await collect(before)
const after = held()
const work = async () => {
  await new Promise((resolve) => new Worker(inWorker, { eval: true }).once('exit', resolve))
  return held()
}
// Node itself keeps something from its first worker.
process.stdout.write(JSON.stringify([before, meanwhile, after, await work(), await work()]))
`
    const held = runScript<{ files: number; pages: number }[]>(script, ['--expose-gc'])
    const [before, meanwhile, after, worker, nextWorker] = held
    expect(meanwhile!.files).toBeGreaterThan(before!.files)
    expect(meanwhile!.pages).toBeGreaterThan(0)
    expect(after).toEqual(before)
    expect(worker!.pages).toBe(0)
    expect(nextWorker).toEqual(worker)
  })

  it('refuses what is not there, and holds nothing then', () => {
    using cache = makeCache({ leadRows: 0 })
    const sequence = sequenceOf(cache, 200)
    const freed = sequenceOf(cache, 1)
    cache.free(freed)
    const slid = sequenceOf(cache, 300)
    cache.slide(slid, 250)
    const before = { files: openFiles(), stats: cache.stats() }
    const refuse = (expected: string, ...args: unknown[]) =>
      expect(() => cache.exportPages(...(args as [Uint32Array]))).toThrow(code(expected))
    refuse('INVALID_ARGUMENT', u32())
    refuse('INVALID_ARGUMENT', [sequence])
    refuse('INVALID_ARGUMENT', undefined)
    refuse('INVALID_ARGUMENT', u32(sequence), { lengths: u32(1, 2) })
    refuse('INVALID_ARGUMENT', u32(sequence), { lengths: u32(201) })
    refuse('INVALID_ARGUMENT', u32(sequence, slid))
    refuse('INVALID_OPTIONS', u32(sequence), { lengths: [1] })
    refuse('INVALID_OPTIONS', u32(sequence), { writable: 'yes', readonly: true })
    refuse('STALE_SEQUENCE', u32(sequence, freed))
    expect(() => cache.exportPages(u32(sequence, slid))).toThrow(/begins at token 250/)
    expect(() => cache.exportPages(u32(sequence, freed))).toThrow(`Sequence ${freed} `)
    expect(openFiles()).toBe(before.files)
    expect(cache.stats().retainedBytes).toBe(before.stats.retainedBytes)
    cache.check()
    cache.dispose()
    refuse('DISPOSED', u32(sequence))
  })
})

describe('an import', () => {
  it('into the same process has tensors of its own, which go with it', () => {
    using cache = makeCache()
    const sequence = written(cache, 100, 5)
    using exported = cache.exportPages(u32(sequence))
    const before = openFiles()
    const pages = importPages(exported.manifest, exported.files)
    expect(pages).toMatchObject({ dtype: 'float32', lengths: [100], writable: false })
    expect(sameDevice(pages.device, cache.device)).toBe(true)
    const rows = pages.rows(0)
    expect(rows).toHaveLength(small.layers)
    expect(rows[1]!.value.shape).toEqual([100, 4, 64])
    expect(digest(read(rows[1]!.value))).toEqual(expectedRows(cache, sequence, 100, 5)[3])
    expect(pages.layers[0]!.key.shape).toEqual([1, 100, 4, 64])
    expect(pages.layers[0]!.key.data).not.toBe(cache.view().layers[0]!.key.data)
    expect(() => pages.rows(1)).toThrow(code('INVALID_ARGUMENT'))
    expect(() => pages.rows(0.5)).toThrow(code('INVALID_ARGUMENT'))
    pages[Symbol.dispose]()
    pages[Symbol.dispose]()
    expect(openFiles()).toBe(before)
    expect(() => read(rows[0]!.key)).toThrow(code('DISPOSED'))
    expect(() => read(pages.layers[0]!.key)).toThrow(code('DISPOSED'))
    expect(() => pages.rows(0)).toThrow(code('DISPOSED'))
  })

  it('that is made to be read cannot be written', () => {
    using cache = makeCache()
    const sequence = written(cache, 100, 5)
    using exported = cache.exportPages(u32(sequence), { writable: true })
    using pages = importPages(exported.manifest, exported.files)
    expect(() => write(pages.rows(0)[0]!.key, new Float32Array(100 * 4 * 64))).toThrow(
      code('INVALID_ARGUMENT'),
    )
    expect(hasRows(cache, sequence, 0, 100, 5)).toBe(true)
  })

  it('for writing of an export to be read is refused by manifest and by descriptor', () => {
    using cache = makeCache()
    using exported = cache.exportPages(u32(written(cache, 10, 5)))
    const { manifest, files } = exported
    const options = { writable: true }
    expect(() => importPages(manifest, files, options)).toThrow(
      expect.objectContaining({
        code: 'ERR_VATTENTION_INVALID_MANIFEST',
        reasons: [expect.objectContaining({ code: 'writable' })],
      }),
    )
    expect(() => importPages({ ...manifest, writable: true }, files, options)).toThrow(
      expect.objectContaining({ code: 'ERR_VATTENTION_DEVICE', driverCall: 'mmap' }),
    )
  })

  it('of several processes at once see each other through pages that may be written', () => {
    using cache = makeCache()
    const sequence = written(cache, 64, 5)
    using exported = cache.exportPages(u32(sequence), { writable: true })
    using first = importPages(exported.manifest, exported.files, { writable: true })
    using second = importPages(exported.manifest, exported.files)
    write(first.rows(0)[0]!.value, new Float32Array(64 * 4 * 64))
    expect(read(second.rows(0)[0]!.value).every((value) => value === 0)).toBe(true)
    expect(isZero(cache, sequence, 0, 64)).toBe(false) // the other tensors
  })

  describe('refuses', () => {
    let cache: ContiguousKvCache
    let exported: PageExport
    beforeAll(() => {
      cache = makeCache()
      exported = cache.exportPages(u32(written(cache, 100, 5), written(cache, 30, 7)))
    })
    afterAll(() => {
      exported[Symbol.dispose]()
      cache.dispose()
    })

    const reasons = (manifest: unknown, files: unknown = exported.files) => {
      const before = openFiles()
      try {
        importPages(manifest as PageManifest, files as number[])[Symbol.dispose]()
      } catch (error) {
        expect(error).toMatchObject({ code: 'ERR_VATTENTION_INVALID_MANIFEST' })
        expect(openFiles()).toBe(before)
        return (error as { reasons: { code: string }[] }).reasons.map((reason) => reason.code)
      }
      return []
    }

    it('what is no manifest, with all reasons', () => {
      for (const nothing of [undefined, null, 'x', []]) {
        expect(reasons(nothing)).toEqual(['manifest'])
      }
      expect(reasons({})).toEqual([
        ...['version', 'device', 'dtype', 'layout', 'writable', 'sequenceBytes', 'lengths'],
        ...['files', 'pages', 'layers'],
      ])
      const { manifest } = exported
      const [page] = manifest.pages
      const [layer] = manifest.layers
      const { key } = layer!
      const wrong: [Partial<Record<keyof PageManifest, unknown>>, ...string[]][] = [
        [{ version: 2, dtype: 'int32' }, 'version', 'dtype'],
        [{ device: { type: 'cuda', index: 0 } }, 'device'],
        [{ device: { type: 'cuda', index: 0, uuid: 'g'.repeat(32) } }, 'device'],
        [{ layout: { layerGroup: 0 } }, 'layout'],
        [{ lengths: [1.5, 2] }, 'lengths'],
        [{ lengths: [2 ** 32, 2] }, 'lengths'],
        [{ sequenceBytes: 10n }, 'sequenceBytes'],
        [{ files: 2 }, 'files'],
        [{ pages: [{ ...page, bytes: -1 }] }, 'pages'],
        [{ pages: [page, { ...page, file: undefined }] }, 'pages'],
        [{ layers: [] }, 'layers'],
        [{ layers: [{ key }] }, 'layers'],
        [{ layers: [{ key, value: { ...key, shape: [1, 2, 3] } }] }, 'layers'],
        [{ layers: [{ key, value: { ...key, strides: [1, 2, 3, -1] } }] }, 'layers'],
      ]
      for (const [change, ...codes] of wrong) {
        expect(reasons({ ...manifest, ...change })).toEqual(codes)
      }
    })

    it('what contradicts itself', () => {
      const { manifest } = exported
      const { pages, layers, lengths } = manifest
      const [first, ...rest] = pages
      const contradictions: Partial<PageManifest>[] = [
        { pages: rest },
        { pages: [{ ...first!, file: 1 }, ...rest] },
        { pages: [{ ...first!, offset: first!.offset + 1 }, ...rest] },
        { pages: [first!, ...pages] },
        { pages: [{ ...first!, sequence: 2 }, ...rest] },
        { lengths: [lengths[0]!, 101] },
        { lengths: [lengths[0]!, 100] },
        { lengths: [lengths[0]!] },
        { sequenceBytes: pageBytes },
        { layers: [layers[0]!, { ...layers[1]!, key: { ...layers[1]!.key, offset: 2 ** 40 } }] },
      ]
      for (const change of contradictions) {
        expect(reasons({ ...manifest, ...change })).toEqual(['manifest'])
      }
      expect(reasons(manifest)).toEqual([])
    })

    it('files that are none, too few, or hold no pages', () => {
      const { manifest, files } = exported
      expect(reasons(manifest, [])).toEqual(['files'])
      expect(reasons(manifest, [...files, ...files])).toEqual(['files'])
      expect(reasons(manifest, [-1])).toEqual(['files'])
      expect(reasons(manifest, u32(...files))).toEqual(['files'])
      const nothing = openSync('/dev/null', 'r')
      expect(() => importPages(manifest, [nothing])).toThrow(code('DEVICE'))
      closeSync(nothing)
      expect(() => importPages(manifest, [nothing])).toThrow(code('DEVICE'))
    })

    it('options that do not exist', () => {
      const { manifest, files } = exported
      expect(() => importPages(manifest, files, { write: true } as never)).toThrow(
        code('INVALID_OPTIONS'),
      )
    })

    it('pages of a GPU that this process does not see', () => {
      const device = { type: 'cuda', index: 0, uuid: 'ab'.repeat(16) } as const
      expect(() => importPages({ ...exported.manifest, device }, exported.files)).toThrow(
        code('UNSUPPORTED'),
      )
    })
  })
})
