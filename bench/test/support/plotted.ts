/** Reads numbers back from a plot: where its marks are, by the labels of its axis. */

/** Which axis has the values, and how it is divided. */
export interface ValueAxis {
  readonly axis: 'x' | 'y'
  readonly log?: boolean
}

const groups = (svg: string, of: string) =>
  [...svg.matchAll(new RegExp(`<g class="${of}[^"]*"[^>]*>(.*?)</g>`, 'gs'))].map(
    ([, text]) => text!,
  )

const place = (text: string): [x: number, y: number] => {
  const [, x, y] = /translate\((-?[\d.e-]+),(-?[\d.e-]+)\)/.exec(text)!
  return [Number(x), Number(y)]
}

/** `1,000`, `10k`, `50%` and `2K` as numbers; undefined for names. */
function labelNumber(label: string): number | undefined {
  const [, digits, unit = ''] = /^(-?[\d,.]+)(k|K|M|m|%)?$/.exec(label) ?? []
  if (digits === undefined) return undefined
  const factor = { '': 1, k: 1e3, M: 1e6, m: 1e-3, K: 1024, '%': 0.01 }[unit]!
  return Number(digits.replaceAll(',', '')) * factor
}

/** From a place on the axis to the value there, by the outermost two labels of the first such axis. */
function scaleOf(svg: string, { axis, log = false }: ValueAxis): (at: number) => number {
  for (const group of groups(svg, 'mark-text role-axis-label')) {
    const labels = [...group.matchAll(/<text ([^>]*)>([^<]*)<\/text>/g)].flatMap(
      ([, attributes, label]) => {
        const value = labelNumber(label!)
        const [x, y] = place(attributes!)
        // Labels of a horizontal axis lie below it, those of a vertical one left of it.
        const horizontal = y > 0 && !/text-anchor="end" transform="translate\(-/.test(attributes!)
        if (value === undefined || horizontal !== (axis === 'x')) return []
        return [{ at: axis === 'x' ? x : y - 4, value }] // a baseline is below the middle
      },
    )
    if (labels.length < 2) continue
    const [from, to] = [labels[0]!, labels.at(-1)!]
    const unit = log ? Math.log10 : Number
    return (at) => {
      const share = (at - from.at) / (to.at - from.at)
      const value = unit(from.value) + share * (unit(to.value) - unit(from.value))
      return log ? 10 ** value : value
    }
  }
  throw new Error(`no ${axis} axis with numbers`)
}

/** The values of dots, in the order in which they are drawn. */
export function dots(svg: string, value: ValueAxis): number[] {
  const scale = scaleOf(svg, value)
  return groups(svg, 'mark-symbol role-mark').flatMap((group) =>
    [...group.matchAll(/<path ([^>]*)>/g)].map(([, attributes]) =>
      scale(place(attributes!)[value.axis === 'x' ? 0 : 1]),
    ),
  )
}

/** Both ends of every interval on a horizontal axis. */
export function intervals(svg: string, value: ValueAxis): [low: number, high: number][] {
  const scale = scaleOf(svg, value)
  return groups(svg, 'mark-rule role-mark').flatMap((group) =>
    [...group.matchAll(/<line ([^>]*)>/g)].flatMap(([, attributes]): [number, number][] => {
      if (attributes!.includes('stroke-dasharray')) return [] // a mark across the plot
      const [x] = place(attributes!)
      const x2 = Number(/x2="(-?[\d.e-]+)"/.exec(attributes!)![1])
      const ends = [scale(x), scale(x + x2)]
      return [[Math.min(...ends), Math.max(...ends)]]
    }),
  )
}

/** The lengths of bars from 0 on a horizontal axis. */
export function bars(svg: string): number[] {
  const scale = scaleOf(svg, { axis: 'x' })
  return groups(svg, 'mark-rect role-mark').flatMap((group) =>
    [...group.matchAll(/ d="M(-?[\d.]+),[-\d.]+h(-?[\d.]+)/g)].map(([, from, length]) =>
      scale(Number(from) + Number(length)),
    ),
  )
}

/** The values of each line's points, on a vertical axis. */
export function lines(svg: string, value: Omit<ValueAxis, 'axis'> = {}): number[][] {
  const scale = scaleOf(svg, { axis: 'y', ...value })
  return groups(svg, 'mark-line role-mark').flatMap((group) =>
    [...group.matchAll(/ d="([^"]*)"/g)].map(([, path]) =>
      [...path!.matchAll(/[ML]-?[\d.]+,(-?[\d.]+)/g)].map(([, y]) => scale(Number(y))),
    ),
  )
}

/** Texts of a plot, each once. */
export const texts = (svg: string): string[] => [
  ...new Set([...svg.matchAll(/<t(?:ext|span)[^>]*>([^<]+)</g)].map(([, text]) => text!)),
]

/** What each dot looks like: its outline and its colour. */
export function looks(svg: string): string[] {
  return groups(svg, 'mark-symbol role-mark').flatMap((group) =>
    [...group.matchAll(/<path ([^>]*)>/g)].map(([, attributes]) =>
      [/ d="([^"]*)"/.exec(` ${attributes}`)![1], /fill="([^"]*)"/.exec(attributes!)![1]].join(' '),
    ),
  )
}
