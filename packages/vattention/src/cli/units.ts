/** Sizes with their units spelled: the only way the command takes and prints them. */
const units: Readonly<Record<string, number>> = {
  B: 1,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
}

/** `64KiB`, `1.5 GiB`, `4096B` in bytes; `undefined` when it is no such size. */
export function parseBytes(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*(B|KiB|MiB|GiB|TiB)$/.exec(text.trim())
  if (!match) return undefined
  const bytes = Number(match[1]) * units[match[2]!]!
  return Number.isSafeInteger(bytes) && bytes > 0 ? bytes : undefined
}

/** Bytes in the largest unit that leaves a number of at least 1: `23.4 MiB`. */
export function formatBytes(bytes: number): string {
  const [unit, size] = Object.entries(units)
    .reverse()
    .find(([, size]) => Math.abs(bytes) >= size) ?? ['B', 1]
  const value = bytes / size
  return `${Number.isInteger(value) ? value : value.toFixed(value < 10 ? 2 : 1)} ${unit}`
}

/** Milliseconds as people read them: `840 ms`, `12.3 s`. */
export function formatDuration(ms: number): string {
  if (ms < 1) return `${(ms * 1000).toFixed(0)} µs`
  if (ms < 1000) return `${ms.toFixed(ms < 10 ? 1 : 0)} ms`
  return `${(ms / 1000).toFixed(1)} s`
}
