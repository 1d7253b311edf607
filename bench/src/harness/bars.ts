import type { Bar, Summary } from '../result/index.ts'

type More = Pick<Bar, 'unit' | 'note' | 'spread'>

/** Judges a median by what is required of it, and says when its interval does not decide. */
function judge(
  kind: Bar['kind'],
  name: string,
  measured: Pick<Summary, 'median' | 'low' | 'high'> | number | null | undefined,
  bar: number,
  more: More,
): Bar {
  const { median, low, high } =
    typeof measured === 'object' && measured !== null
      ? measured
      : { median: measured ?? null, low: null, high: null }
  if (median === null || !Number.isFinite(median)) {
    return { name, value: null, kind, bar, met: null, ...more }
  }
  const meets = (value: number) => (kind === 'atLeast' ? value >= bar : value <= bar)
  const known = low !== null && high !== null && Number.isFinite(low) && Number.isFinite(high)
  return {
    name,
    value: median,
    ...(known && { low, high }),
    kind,
    bar,
    met: meets(median),
    ...(known && { decided: meets(low) === meets(high) }),
    ...more,
  }
}

/** A bar that the median has to reach. Nothing measured: `met` is null. */
export const atLeast = (
  name: string,
  measured: Pick<Summary, 'median' | 'low' | 'high'> | number | null | undefined,
  bar: number,
  more: More = {},
): Bar => judge('atLeast', name, measured, bar, more)

/** A bar that the median must not pass. Nothing measured: `met` is null. */
export const atMost = (
  name: string,
  measured: Pick<Summary, 'median' | 'low' | 'high'> | number | null | undefined,
  bar: number,
  more: More = {},
): Bar => judge('atMost', name, measured, bar, more)
