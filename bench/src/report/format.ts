/** A number in four digits, `–` for none: what is beyond them is noise. */
export function formatNumber(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–'
  const size = Math.abs(value)
  if (size >= 1000) return Math.round(value).toLocaleString('en-US')
  if (size !== 0 && size < 1e-3) return value.toExponential(2)
  return String(Number(value.toPrecision(4)))
}

/** A share in percent: 0.05 is `5.0 %`. */
export function formatShare(value: number): string {
  return Number.isFinite(value) ? `${(100 * value).toFixed(1)} %` : 'without bound'
}

/** Bytes in powers of two, for people: `128 MiB`. */
export function formatBytes(value: number | null | undefined): string {
  if (value === null || value === undefined) return '–'
  const names = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  const power = Math.min(names.length - 1, Math.floor(Math.log2(Math.max(1, Math.abs(value))) / 10))
  return `${formatNumber(value / 2 ** (10 * power))} ${names[power]}`
}

/** Tokens as lengths are named: `16K`. */
export function formatTokens(tokens: number): string {
  return tokens >= 1024 && tokens % 1024 === 0 ? `${tokens / 1024}K` : String(tokens)
}

/** The file's name behind its folder's, which tells machines and runs apart. */
export function fileName(path: string): string {
  return path.split(/[\\/]/).slice(-2).join('/')
}
