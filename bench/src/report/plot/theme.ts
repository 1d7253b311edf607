/** Colours, as the page and each SVG define them: light, and dark where the reader prefers it. */
const light = {
  page: '#ffffff',
  panel: '#f6f7f9',
  ink: '#1b1f24',
  quiet: '#57606a',
  line: '#d0d7de',
  link: '#0550ae',
  good: '#116329',
  bad: '#b42318',
  doubt: '#8a5a00',
  s1: '#0b63c5',
  s2: '#c2410c',
  s3: '#0f7b4f',
  s4: '#8b3fbf',
  s5: '#a16207',
  s6: '#0e7490',
  s7: '#be185d',
  s8: '#4b5563',
}

const dark: typeof light = {
  page: '#0d1117',
  panel: '#161b22',
  ink: '#e6edf3',
  quiet: '#9da7b3',
  line: '#30363d',
  link: '#79b8ff',
  good: '#56d364',
  bad: '#ff8b82',
  doubt: '#e3b341',
  s1: '#6cb6ff',
  s2: '#ff9a5c',
  s3: '#5fd39a',
  s4: '#d2a8ff',
  s5: '#e8c547',
  s6: '#56d4dd',
  s7: '#ff8fc7',
  s8: '#b1bac4',
}

const declarations = (colours: typeof light) =>
  Object.entries(colours)
    .map(([name, value]) => `--${name}:${value}`)
    .join(';')

/** The custom properties, for a page or for an SVG of its own. */
export const themeStyle = `:root{color-scheme:light dark;${declarations(light)}}@media(prefers-color-scheme:dark){:root{${declarations(dark)}}}`

/** Colours of series, in order; then they begin again. */
export const seriesColours = [1, 2, 3, 4, 5, 6, 7, 8].map((i) => `var(--s${i})`)

/**
 * Shapes of series, in order. One less than colours: a colour that comes again has another shape, so
 * that no two of the first 56 series look alike.
 */
export const seriesShapes = [
  'circle',
  'square',
  'triangle-up',
  'diamond',
  'cross',
  'triangle-down',
  'triangle-right',
]

export const fonts = 'system-ui, -apple-system, "Segoe UI", Roboto, sans-serif'

/** Width of every plot in units of its own; pages scale it. */
export const plotWidth = 440

/** Columns of a legend so that its longest label fits beside the others. */
export function legendColumns(labels: readonly string[], width = plotWidth - 60): number {
  const longest = Math.max(1, ...labels.map((label) => label.length))
  return Math.max(1, Math.min(labels.length, Math.floor(width / (longest * 7.2 + 34))))
}

/** Powers of ten on a logarithmic axis over several of them; undefined: whatever fits. */
export function decades(values: readonly number[]): number[] | undefined {
  const positive = values.filter((value) => value > 0)
  const from = Math.floor(Math.log10(Math.min(...positive)))
  const to = Math.ceil(Math.log10(Math.max(...positive)))
  if (!(to - from > 2)) return undefined
  return Array.from({ length: to - from + 1 }, (_, i) => 10 ** (from + i))
}
