import type * as Vega from 'vega'
import type { TopLevelSpec } from 'vega-lite'

import { escapeText } from '../html/html.ts'
import { fonts, plotWidth, seriesColours, seriesShapes, themeStyle } from './theme.ts'

/** A drawn plot. */
export interface Plot {
  /** For a page that has the theme's colours: as wide as there is room. */
  readonly inline: string
  /** A file of its own. */
  readonly file: string
}

/** What of a plot is told apart; the rest is the same for all. */
export type PlotSpec = Pick<TopLevelSpec, 'data'> & Record<string, unknown>

const config = {
  background: 'transparent',
  font: fonts,
  // On the right there are halves of labels, which are wider in some typefaces.
  padding: { left: 4, top: 4, right: 8, bottom: 4 },
  axis: {
    labelColor: 'var(--ink)',
    titleColor: 'var(--quiet)',
    gridColor: 'var(--line)',
    gridOpacity: 0.7,
    domainColor: 'var(--line)',
    tickColor: 'var(--line)',
    labelFontSize: 12,
    titleFontSize: 12,
    titleFontWeight: 'normal',
    labelLimit: 0,
  },
  legend: {
    labelColor: 'var(--ink)',
    titleColor: 'var(--quiet)',
    labelFontSize: 12,
    titleFontSize: 12,
    titleFontWeight: 'normal',
    orient: 'top',
    direction: 'horizontal',
    labelLimit: 0,
    // One below the other: side by side they leave the plot on the right.
    layout: { top: { direction: 'vertical', anchor: 'start' } },
    symbolBaseFillColor: 'var(--ink)',
    symbolBaseStrokeColor: 'var(--ink)',
    symbolStrokeWidth: 2,
    symbolSize: 70,
  },
  range: { category: seriesColours, symbol: seriesShapes },
  view: { stroke: null },
} as const

/** Width of text in a usual typeface. Vega's own estimate without a canvas is a third too wide. */
function textWidth({ fontSize = 11 }: { fontSize?: number }, text: unknown): number {
  return Math.round(0.59 * fontSize * String(text ?? '').length)
}

/** Gives what Vega counts through the process the same identifiers each time. */
function identifiers(name: string): (found: string) => string {
  const known: string[] = []
  return (found) => {
    if (!known.includes(found)) known.push(found)
    return `${name}-${known.indexOf(found)}`
  }
}

/** Runs with widths that depend on no font of this machine. */
async function withTextWidths<T>(vega: typeof Vega, run: () => Promise<T>): Promise<T> {
  // Vega exports it, and its types do not say so.
  const metrics = (vega as unknown as { textMetrics: { width: unknown } }).textMetrics
  const { width } = metrics
  metrics.width = textWidth
  try {
    return await run()
  } finally {
    metrics.width = width
  }
}

/**
 * Draws a Vega-Lite specification without a browser. The same data give the same text.
 *
 * @param spec Everything but sizes and colours.
 * @param name Begins the identifiers in it, which others on the page must not have.
 * @param title Of the file, and what a screen reader says.
 */
export async function drawPlot(spec: PlotSpec, name: string, title: string): Promise<Plot> {
  const full = {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    width: plotWidth,
    autosize: { type: 'fit-x', contains: 'padding' },
    config,
    ...spec,
  } as TopLevelSpec
  // Loaded when a plot is drawn: they are large, and a CommonJS program cannot require them.
  const [vega, { compile }] = await Promise.all([import('vega'), import('vega-lite')])
  const quietly = vega.logger(vega.Error)
  const { spec: compiled } = compile(full, { logger: quietly })
  const view = new vega.View(vega.parse(compiled), { renderer: 'none', logger: quietly })
  const drawn = await withTextWidths(vega, () => view.toSVG()).finally(() => view.finalize())
  // Every mark describes itself at length; the plot has a title, and a table with its numbers.
  const quiet = drawn
    .replaceAll(/ (?:role|aria-[a-z]+)="[^"]*"/g, '')
    .replaceAll(/(?<=\bid="|url\(#)\w+/g, identifiers(name))
    // Lines of thousands of points: a hundredth of a unit is less than anybody sees.
    .replaceAll(/ d="[^"]*"/g, (path) => path.replaceAll(/(\.\d\d)\d+/g, '$1'))
    .replace(/^<svg([^>]*)>/, (_, attributes: string) => {
      const viewBox = /viewBox="[^"]*"/.exec(attributes)?.[0] ?? ''
      return `<svg xmlns="http://www.w3.org/2000/svg" ${viewBox} role="img" aria-label="${escapeText(title)}">`
    })
  const named = quiet.replace(
    /^<svg[^>]*>/,
    (start) => `${start}<title>${escapeText(title)}</title>`,
  )
  const file = quiet.replace(
    /^<svg[^>]*>/,
    (start) =>
      `${start}<title>${escapeText(title)}</title><style>${themeStyle}svg{background:var(--page)}</style>`,
  )
  return { inline: named, file: `${file}\n` }
}
