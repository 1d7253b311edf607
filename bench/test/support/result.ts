import type { MeasuredCase, Result } from '../../src/index.ts'

/** A case with one time, in milliseconds, whose samples spread by so much to each side. */
export function timed(name: string, medianMs: number, spread = 0.01): MeasuredCase {
  return {
    name,
    parameters: { subject: name },
    metrics: {
      ms: {
        n: 30,
        median: medianMs,
        low: medianMs * (1 - spread / 4),
        high: medianMs * (1 + spread / 4),
        p10: medianMs * (1 - spread),
        p90: medianMs * (1 + spread),
      },
    },
  }
}

/** How fast a machine did something. */
export const rate = (median: number) => ({
  n: 9,
  median,
  low: 0.99 * median,
  high: 1.01 * median,
  p10: 0.98 * median,
  p90: 1.02 * median,
})

/** A valid result with these cases. */
export function resultOf(cases: MeasuredCase[], more: Partial<Result> = {}): Result {
  return {
    schemaVersion: 1,
    bench: 'example',
    kind: 'kernel',
    label: 'full',
    what: 'An example.',
    commit: '0123abc',
    dirty: false,
    command: 'node example.mjs',
    startedAt: '2026-01-02T03:04:05.678Z',
    seconds: 1.5,
    host: {
      cpu: 'A processor',
      cores: 2,
      memoryBytes: 2 ** 34,
      os: 'linux 6.1',
      node: 'v20.20.2',
      loadAverage: [0, 0, 0],
    },
    device: null,
    machine: { copyingGbPerSecond: rate(10), newMemoryGbPerSecond: rate(2) },
    libraries: { '@vattention/core': '0.1.0' },
    protocol: { timer: 'a clock' },
    workload: { model: 'a model' },
    bars: [],
    skipped: [],
    cases,
    ...more,
  }
}
