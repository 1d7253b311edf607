/** Which way is better; `neither` is never judged. */
export type Better = 'higher' | 'lower' | 'neither'

/** A unit of measurement, as the name of a key tells it. */
export interface Unit {
  /** Ending of a key: `medianUs` is in microseconds. */
  readonly suffix: string
  /** For people: `µs`. */
  readonly symbol: string
  readonly better: Better
  /** What the number is of, where no metric says it better. */
  readonly quantity: string
  /** Whether a run gives the same number each time, so that a single one can be judged. */
  readonly exact?: true
}

// The longest ending that fits counts.
const units: readonly Unit[] = [
  { suffix: 'Tflops', symbol: 'TFLOP/s', better: 'higher', quantity: 'arithmetic rate' },
  // A clock that has risen under the same rate makes nothing slower; the rate itself is judged.
  { suffix: 'TflopsPerGhz', symbol: 'TFLOP/s/GHz', better: 'neither', quantity: 'rate per clock' },
  { suffix: 'Gflops', symbol: 'GFLOP/s', better: 'higher', quantity: 'arithmetic rate' },
  { suffix: 'GbPerSecond', symbol: 'GB/s', better: 'higher', quantity: 'bandwidth' },
  {
    suffix: 'GbPerSecondPerGhz',
    symbol: 'GB/s/GHz',
    better: 'neither',
    quantity: 'bandwidth per clock',
  },
  { suffix: 'TokensPerSecond', symbol: 'tokens/s', better: 'higher', quantity: 'throughput' },
  { suffix: 'RequestsPerSecond', symbol: 'requests/s', better: 'higher', quantity: 'throughput' },
  {
    suffix: 'ArrivalsPerSecond',
    symbol: 'requests/s',
    better: 'neither',
    quantity: 'arrival rate',
  },
  { suffix: 'CallsPerSecond', symbol: 'calls/s', better: 'higher', quantity: 'rate' },
  { suffix: 'LaunchesPerSecond', symbol: 'launches/s', better: 'higher', quantity: 'rate' },
  { suffix: 'Ns', symbol: 'ns', better: 'lower', quantity: 'time' },
  { suffix: 'Us', symbol: 'µs', better: 'lower', quantity: 'time' },
  { suffix: 'Ms', symbol: 'ms', better: 'lower', quantity: 'time' },
  // Of the bench's own client: how well it kept to the plan.
  { suffix: 'LatenessMs', symbol: 'ms', better: 'neither', quantity: 'lateness' },
  { suffix: 'Seconds', symbol: 's', better: 'lower', quantity: 'time' },
  { suffix: 'SpeedRatio', symbol: '×', better: 'higher', quantity: 'ratio of speeds' },
  { suffix: 'TimeRatio', symbol: '×', better: 'lower', quantity: 'ratio of times' },
  { suffix: 'HitShare', symbol: 'share', better: 'higher', quantity: 'share of hits' },
  { suffix: 'Share', symbol: 'share', better: 'neither', quantity: 'share' },
  { suffix: 'WasteBytes', symbol: 'B', better: 'lower', quantity: 'waste', exact: true },
  { suffix: 'Bytes', symbol: 'B', better: 'neither', quantity: 'memory' },
  { suffix: 'Tokens', symbol: 'tokens', better: 'neither', quantity: 'tokens' },
  { suffix: 'Logits', symbol: 'logits', better: 'neither', quantity: 'margin' },
  { suffix: 'Count', symbol: '', better: 'neither', quantity: 'count' },
  { suffix: 'Mhz', symbol: 'MHz', better: 'neither', quantity: 'clock' },
  { suffix: 'Watts', symbol: 'W', better: 'neither', quantity: 'power' },
]

const endings = [...units].sort((a, b) => b.suffix.length - a.suffix.length)

/** A key that ends in a unit; one that is nothing else begins with a small letter: `tflops`. */
export const metricKeyPattern = `^(?:[a-z][A-Za-z0-9]*(?:${endings.map(({ suffix }) => suffix).join('|')})|${endings
  .map(({ suffix }) => suffix[0]!.toLowerCase() + suffix.slice(1))
  .join('|')})$`

/**
 * The unit of a metric, by its key.
 *
 * @param key As in `metrics` of a case: `prepareUs`, `tflops`.
 * @throws RangeError when no unit is known by the key's ending
 */
export function unitOf(key: string): Unit {
  const titled = key.charAt(0).toUpperCase() + key.slice(1)
  const found = endings.find(({ suffix }) => titled.endsWith(suffix))
  if (!found) throw new RangeError(`"${key}" ends in no unit that is known`)
  return found
}

/** What a metric's key says before its unit, in words: `graphTotalUs` is `graph total`. */
export function metricWords(key: string): string {
  const titled = key.charAt(0).toUpperCase() + key.slice(1)
  const stem = titled.slice(0, titled.length - unitOf(key).suffix.length)
  return stem
    .replaceAll(/([A-Z])/g, ' $1')
    .trim()
    .toLowerCase()
}
