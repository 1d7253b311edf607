/** A figure in Markdown: a link to a result whose title says where in it the number stands. */
export interface FigureLink {
  /** What readers see: `4.39 TB/s`, `1.02 – 1.24 ×`. */
  readonly text: string
  /** As written: relative to the page. */
  readonly target: string
  readonly selector: string
  /** Of `text` within the page. */
  readonly from: number
  readonly to: number
}

const link = /\[([^\]]+)\]\(([^\s)]+\.json)\s+(?:"([^"]+)"|'([^']+)')\)/g

/**
 * The figures of a page: `[4.39 TB/s](bench/results/h200/decode.json "backend=fa3; … gbPerSecond")`.
 * Links without a title are no figures.
 */
export function figureLinks(markdown: string): FigureLink[] {
  return [...markdown.matchAll(link)].map(
    ({ 1: text = '', 2: target = '', 3: double, 4: single, index }) => {
      const selector = double ?? single ?? ''
      const from = index + 1
      return { text, target, selector, from, to: from + text.length }
    },
  )
}
