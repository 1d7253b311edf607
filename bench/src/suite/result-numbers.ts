/**
 * A value as results hold it: null for what is no number, and no digits beyond the sixth, which are
 * noise. Whole numbers stay whole; keys without a value go.
 */
export function resultNumbers<T>(value: T): T {
  return plain(value) as T
}

function plain(value: unknown): unknown {
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) return null
    return Number.isInteger(value) ? value : Number(value.toPrecision(6))
  }
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, inner]) => inner !== undefined)
      .map(([key, inner]) => [key, plain(inner)]),
  )
}
