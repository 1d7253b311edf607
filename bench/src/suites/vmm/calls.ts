import { driverCalls, measureDriverCalls, type DriverCall } from '@vattention/core'

import { interleave, latencies } from '../../harness/index.ts'
import type { SuiteContext } from '../../suite/index.ts'
import { pageName } from '../memory/describe.ts'

/** Calls of a round that count, and those before them that do not. */
const callsPerRound = 50
const warmUpCalls = 2

/** What one round found: nanoseconds by call. */
type Samples = Readonly<Partial<Record<DriverCall, readonly number[]>>>

/** Why a device has no such call. */
const missing: Readonly<Partial<Record<DriverCall, string>>> = {
  map: 'mmap maps and gives access in one call: mapAndSetAccess',
  setAccess: 'mmap maps and gives access in one call: mapAndSetAccess',
  export: 'the device cannot share its memory with other processes',
}

/** The table of driver calls: every page class, with so many handles in a call. */
export async function measureCalls(
  { device, clock, random, signal, recorder }: SuiteContext,
  about: {
    readonly pageBytes: readonly number[]
    readonly handles: readonly number[]
    readonly rounds: number
    readonly budgetMs: number
  },
): Promise<void> {
  const configurations = about.pageBytes.flatMap((pageBytes) =>
    about.handles.map((handles) => ({
      name: handles === 1 ? pageName(pageBytes) : `${handles} x ${pageName(pageBytes)}`,
      pageBytes,
      handles,
    })),
  )
  const fitting = configurations.filter(({ name, pageBytes, handles }) => {
    const bytes = pageBytes * handles
    if (bytes <= device.freeBytes() / 2) return true
    recorder.skip(name, `${bytes} bytes are more than half of what is free`)
    return false
  })
  const found = await interleave<Samples, Samples>({
    subjects: Object.fromEntries(
      fitting.map(({ name, pageBytes, handles }) => [
        name,
        async () => {
          const options = { device: device.device, pageBytes, handles }
          const samples = await measureDriverCalls({
            ...options,
            rounds: warmUpCalls + callsPerRound,
          })
          return Object.fromEntries(
            Object.entries(samples).map(([call, ns]) => [call, [...ns.subarray(warmUpCalls)]]),
          )
        },
      ]),
    ),
    collect: (_, samples) => samples,
    most: about.rounds,
    warmUp: 0, // each measurement has its own
    budgetMs: about.budgetMs,
    ...{ clock, random, signal },
  })
  for (const call of driverCalls) {
    let known = false
    for (const { name, pageBytes, handles } of fitting) {
      const callUs = found[name]!.flatMap((round) => round[call] ?? []).map((ns) => ns / 1000)
      if (callUs.length === 0) continue
      known = true
      // Of an export there is one page, whatever the others have.
      const pages = call === 'export' ? 1 : handles
      recorder.add({
        name: `${call}, ${name}`,
        parameters: { part: 'calls', call, pageBytes, handles: pages, round: name },
        metrics: {
          callUs: latencies(callUs),
          pageUs: latencies(callUs.map((us) => us / pages)),
        },
        samples: { callUs },
      })
    }
    if (!known && !signal.aborted) recorder.skip(call, missing[call] ?? 'nothing was measured')
  }
}
