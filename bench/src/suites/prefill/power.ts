import { setTimeout as sleep } from 'node:timers/promises'

import { timeBurst, timeHeld, type Sample } from '../../harness/index.ts'
import type { AttentionBench } from '../attention/attention-bench.ts'
import type { LiveSubject } from '../attention/attention-cell.ts'

/** How long: figures of the two settings. */
const spans = {
  full: { bursts: 3, pauseMs: 800, spanMs: 60, holdMs: 2500, settleMs: 1000 },
  quick: { bursts: 1, pauseMs: 200, spanMs: 60, holdMs: 300, settleMs: 100 },
}

const spansOf = ({ context }: AttentionBench) => spans[context.settings.quick ? 'quick' : 'full']

/** What it takes beside the rounds, in milliseconds. */
export function powerMs(bench: AttentionBench): number {
  const { bursts, pauseMs, spanMs, holdMs } = spansOf(bench)
  return bursts * (pauseMs + spanMs) + holdMs
}

/** How it is measured, for the report. */
export const powerProtocol = (quick: boolean): Record<'burst' | 'sustained', string> => {
  const { bursts, pauseMs, spanMs, holdMs, settleMs } = spans[quick ? 'quick' : 'full']
  return {
    burst: `launches of the first ${spanMs} ms after a pause of ${pauseMs / 1000} s, ${bursts} times`,
    sustained: `launches from ${settleMs / 1000} s to ${holdMs / 1000} s of one subject without a pause`,
  }
}

/**
 * One subject alone: its first launches after a pause, which run at the highest clock, and those of
 * a GPU that stays busy, where the power limit decides.
 */
export async function timePower(
  bench: AttentionBench,
  { subject, timed, launchMs }: LiveSubject,
): Promise<{ burst: Sample[]; sustained: Sample[] }> {
  const { device, signal } = bench.context
  const { bursts, pauseMs, spanMs, holdMs, settleMs } = spansOf(bench)
  const burst: Sample[] = []
  for (let i = 0; i < bursts && !signal.aborted; i++) {
    const about = { layers: timed.layers, launchMs, pauseMs, spanMs }
    burst.push(...(await timeBurst(device, subject, about)))
  }
  const sustained = signal.aborted
    ? []
    : await timeHeld(device, timed, { launchMs, holdMs, settleMs })
  // Readings of clocks are written a moment later.
  await sleep(150)
  bench.telemetry.read()
  return { burst, sustained }
}
