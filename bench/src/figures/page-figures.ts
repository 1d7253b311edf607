import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

import { readResult, type Result } from '../result/index.ts'
import { FigureError } from './figure-error.ts'
import { figureLinks } from './figure-link.ts'
import { figureText } from './figure-text.ts'
import { select } from './selector.ts'

/** A figure of a page that is not what its result says. */
export interface StaleFigure {
  readonly written: string
  /** As it should be; absent when it cannot be found. */
  readonly expected?: string
  /** In words. */
  readonly reason: string
}

/** A page beside the results that its figures come from. */
export interface CheckedPage {
  readonly path: string
  readonly figures: number
  readonly stale: readonly StaleFigure[]
  /** The page with the figures that the results have. */
  readonly corrected: string
}

/**
 * Compares the figures of a Markdown page with the results that they link to.
 *
 * @throws ResultError when a result is none; the file system's error when one cannot be read
 */
export async function checkPage(path: string): Promise<CheckedPage> {
  const markdown = await readFile(path, 'utf8')
  const stale: StaleFigure[] = []
  let corrected = ''
  let at = 0
  const links = figureLinks(markdown)
  // A page has many figures of few results.
  const results = new Map<string, Result>()
  for (const { text, target, selector, from, to } of links) {
    const result = results.get(target) ?? (await readResult(join(dirname(path), target))).result
    results.set(target, result)
    try {
      const expected = figureText(text, select(result, selector))
      if (expected !== text) {
        stale.push({ written: text, expected, reason: `${target} has ${expected}` })
        corrected += markdown.slice(at, from) + expected
        at = to
      }
    } catch (error) {
      if (!(error instanceof FigureError)) throw error
      stale.push({ written: text, reason: `${target}: ${error.message}` })
    }
  }
  return { path, figures: links.length, stale, corrected: corrected + markdown.slice(at) }
}
