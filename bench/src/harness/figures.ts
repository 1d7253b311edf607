import type { MeasuredCase, Metric } from '../result/index.ts'
import type { Random } from './random.ts'
import { summarize } from './statistics.ts'
import type { Telemetry } from './telemetry.ts'
import type { Sample } from './timing.ts'

/** What a launch does, and what its rate is called. */
export interface Rate {
  /** A metric's key, with its unit: `tflops`, `gbPerSecond`. */
  readonly metric: string
  /** Of one launch, in the unit of the rate: 1e12 FLOP, 1e9 bytes. */
  readonly work: number
}

/** Rates of samples. */
export const rates = (samples: readonly Sample[], work: number): number[] =>
  samples.map(({ ms }) => work / (ms / 1000))

/**
 * Metrics and samples of a case: time, a rate, and where clocks are known the rate for each GHz,
 * clocks and power.
 */
export function figures(
  samples: readonly Sample[],
  { metric, work }: Rate,
  telemetry: Pick<Telemetry, 'between'>,
  random: Random,
): Pick<MeasuredCase, 'metrics'> & { samples: Record<string, (number | null)[]> } {
  const ms = samples.map((one) => one.ms)
  const values = rates(samples, work)
  const metrics: Record<string, Metric> = {
    [metric]: summarize(values, random),
    ms: summarize(ms, random),
  }
  const readings = samples.map(({ from, to }) => telemetry.between(from, to))
  if (readings.every((one) => one === null)) return { metrics, samples: { ms } }
  const clock = readings.map((one) => one?.smClockMhz ?? null)
  const power = readings.map((one) => one?.powerW ?? null)
  const perGhz = values.map((value, i) => (clock[i] ? value / (clock[i] / 1000) : NaN))
  const add = (key: string, of: readonly (number | null)[]) => {
    const known = of.filter((one) => one !== null && Number.isFinite(one)) as number[]
    if (known.length > 0) metrics[key] = summarize(known, random)
  }
  add(`${metric}PerGhz`, perGhz)
  add('smClockMhz', clock)
  add('powerWatts', power)
  return {
    metrics,
    samples: {
      ms,
      smClockMhz: clock,
      powerWatts: power,
      // A bit for each reason, as NVIDIA numbers them.
      throttleBits: readings.map(
        (one) => one?.throttleReasons.reduce((bits, text) => bits | Number(text), 0) ?? null,
      ),
    },
  }
}
