/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
// The report as a reader sees it: a headless browser without a network opens it from disk.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

import chromium from '@sparticuz/chromium'
import { launch, type Browser, type Page } from 'puppeteer-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { renderReport, writeReport } from '../src/index.ts'
import { committed } from './support/committed.ts'
import { suiteResults } from './support/suite-results.ts'

let folder: string
let path: string
let suitesPath: string
let browser: Browser

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'vattention-page-'))
  path = await writeReport(folder, await renderReport(await committed()))
  const suites = suiteResults().map((result) => ({ source: `${result.bench}.json`, result }))
  suitesPath = await writeReport(join(folder, 'suites'), await renderReport(suites))
  browser = await launch({
    args: [...chromium.args, '--no-sandbox'],
    executablePath: await chromium.executablePath(),
    headless: 'shell',
  })
})
afterAll(async () => {
  await browser?.close()
  rmSync(folder, { recursive: true, force: true })
})

/** Opens the page; `heard` is whatever it says or asks for. */
async function open(width: number, scheme: 'light' | 'dark', opened = path) {
  const page = await browser.newPage()
  const heard: string[] = []
  const url = pathToFileURL(opened).href
  page.on('console', (message) => heard.push(`console: ${message.text()}`))
  page.on('pageerror', (error) => heard.push(`error: ${String(error)}`))
  page.on('request', (request) => {
    if (request.url() !== url && !request.url().startsWith('data:')) heard.push(request.url())
  })
  await page.setOfflineMode(true)
  await page.setViewport({ width, height: 900 })
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }])
  await page.goto(url)
  // What is folded away has to fit, too.
  await page.$$eval('details', (all) => all.forEach((one) => (one.open = true)))
  return { page, heard }
}

/** Elements that reach beyond the window's edge. */
const tooWide = (page: Page) =>
  page.evaluate(() => {
    const edge = document.documentElement.clientWidth
    const over = [...document.querySelectorAll('body *')].filter(
      (one) => !one.closest('svg svg, g') && one.getBoundingClientRect().right > edge + 0.5,
    )
    return {
      scrolls: document.documentElement.scrollWidth > edge,
      over: over.slice(0, 5).map((one) => `${one.tagName} ${one.textContent?.slice(0, 60)}`),
    }
  })

/** Texts of plots that are cut off, or too small. */
const unreadable = (page: Page) =>
  page.$$eval('figure', (figures) =>
    figures.flatMap((figure) => {
      const svg = figure.querySelector('svg')!
      const { left, right } = svg.getBoundingClientRect()
      return [...svg.querySelectorAll('text')].flatMap((text) => {
        const box = text.getBoundingClientRect()
        const cut = box.width > 0 && (box.left < left - 1 || box.right > right + 1)
        const small = box.height > 0 && box.width > 0 && Math.max(box.height, box.width) < 6
        return cut || small ? [`${figure.id}: ${text.textContent}`] : []
      })
    }),
  )

describe.each([1280, 390])('at %i px', (width) => {
  it.each(['light', 'dark'] as const)(
    'in %s: fits, asks for nothing, reads well',
    async (scheme) => {
      const { page, heard } = await open(width, scheme)
      expect(await tooWide(page)).toEqual({ scrolls: false, over: [] })
      expect(heard).toEqual([])
      const colours = await page.evaluate(() => {
        const { backgroundColor, color } = getComputedStyle(document.body)
        // What the plots' text is drawn in.
        const label = document.querySelector('figure svg text')
        return { backgroundColor, color, label: label && getComputedStyle(label).fill }
      })
      const lightness = (text: string | null) =>
        (text?.match(/\d+/g) ?? []).slice(0, 3).reduce((sum, one) => sum + Number(one), 0) / 3
      const onDark = scheme === 'dark' ? 1 : -1
      expect(
        onDark * (lightness(colours.color) - lightness(colours.backgroundColor)),
      ).toBeGreaterThan(120)
      expect(
        onDark * (lightness(colours.label) - lightness(colours.backgroundColor)),
      ).toBeGreaterThan(60)
      await page.close()
    },
  )

  it('shows no plot with text beyond its edge, and none too small to read', async () => {
    const { page } = await open(width, 'light')
    expect(await unreadable(page)).toEqual([])
    await page.close()
  })

  it('fits a page of all suites, with their plots and tables', async () => {
    const { page, heard } = await open(width, 'dark', suitesPath)
    expect(await tooWide(page)).toEqual({ scrolls: false, over: [] })
    expect(await unreadable(page)).toEqual([])
    expect(heard).toEqual([])
    await page.close()
  })

  it('sorts a table by numbers when a head is pressed, and back', async () => {
    const { page } = await open(width, 'light')
    const keys = () =>
      page.evaluate(() => {
        const table = [...document.querySelectorAll('table')].find((one) =>
          one.caption?.textContent?.includes('h200/decode.json: decode, '),
        )!
        const column = [...table.querySelectorAll('th')].findIndex((one) =>
          one.textContent?.startsWith('bandwidth, GB/s'),
        )
        return [...table.tBodies[0]!.rows].map((row) => Number(row.cells[column]!.dataset.sort))
      })
    const press = () =>
      page.evaluate(() => {
        const table = [...document.querySelectorAll('table')].find((one) =>
          one.caption?.textContent?.includes('h200/decode.json: decode, '),
        )!
        const head = [...table.querySelectorAll('th')].find((one) =>
          one.textContent?.startsWith('bandwidth, GB/s'),
        )!
        head.querySelector('button')!.click()
        return head.getAttribute('aria-sort')
      })
    const asWritten = await keys()
    const ascending = [...asWritten].sort((a, b) => a - b)
    expect(asWritten).not.toEqual(ascending)
    expect(await press()).toBe('ascending')
    expect(await keys()).toEqual(ascending)
    expect(await press()).toBe('descending')
    expect(await keys()).toEqual(ascending.reverse())
    await page.close()
  })
})
