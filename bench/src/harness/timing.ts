import { setTimeout as sleep } from 'node:timers/promises'

import type { BenchDevice, DevicePoint } from './bench-device.ts'
import { interleave, type RoundLimits } from './rounds.ts'

/** Something that is timed: it enqueues the work of a layer, or does it. */
export interface Timed {
  run(layer: number): void
}

/** How a subject is measured. */
export interface TimedSubject {
  readonly subject: Timed
  /** That launches rotate through. */
  readonly layers: number
  /** Of one sample. */
  readonly launches: number
}

/** One sample. */
export interface Sample {
  /** Of one launch. */
  readonly ms: number
  /** When it began, as `Date.now()` counts: readings of clocks and power are found by it. */
  readonly from: number
  readonly to: number
}

/**
 * Launches of a sample, by rotating through layers: enough to last `leastMs`.
 *
 * @param milliseconds Of one launch.
 * @param most Defaults to `256`.
 */
export const launchesFor = (milliseconds: number, leastMs: number, most = 256): number =>
  Math.max(1, Math.min(most, Math.ceil(leastMs / Math.max(milliseconds, 1e-3))))

/** Enqueues one sample behind a flush of the last-level cache: the two points around it. */
export function enqueue(
  device: BenchDevice,
  { subject, layers, launches }: TimedSubject,
  firstLayer = 0,
): { start: DevicePoint; end: DevicePoint } {
  device.flush()
  const start = device.point()
  for (let i = 0; i < launches; i++) subject.run((firstLayer + i) % layers)
  return { start, end: device.point() }
}

/**
 * Milliseconds of one launch, once and after a first one: to find out how many a sample needs.
 *
 * @param launches That are timed together. Defaults to `2` on a GPU, `1` on the CPU.
 */
export async function probe(
  device: BenchDevice,
  subject: Timed,
  layers: number,
  launches = device.isGpu ? 2 : 1,
): Promise<number> {
  const once = async () => {
    const { start, end } = enqueue(device, { subject, layers, launches })
    await device.synchronize()
    const ms = end.millisecondsSince(start) / launches
    start[Symbol.dispose]()
    end[Symbol.dispose]()
    return ms
  }
  await once()
  return once()
}

/**
 * Measures subjects in shuffled rounds. On a GPU it is busy from the first sample of a round to its
 * last.
 *
 * @returns samples by name, in the order of the rounds
 */
export async function timeRounds(
  device: BenchDevice,
  measured: ReadonlyMap<string, TimedSubject>,
  limits: RoundLimits,
): Promise<Record<string, Sample[]>> {
  let anchor: { point: DevicePoint; at: number } | undefined
  const subjects = Object.fromEntries(
    [...measured].map(([name, one]) => {
      let count = 0
      const measure = async () => {
        anchor ??= { point: device.point(), at: Date.now() }
        const points = enqueue(device, one, count)
        count += one.launches
        // On the CPU it is done: signals are heard here. A GPU is kept busy.
        if (!device.isGpu) await device.synchronize()
        return { ...points, launches: one.launches, anchor }
      }
      return [name, measure]
    }),
  )
  return interleave({
    ...limits,
    subjects,
    endRound: async () => {
      await device.synchronize()
      anchor = undefined
    },
    collect: (_, { start, end, launches, anchor: began }) => {
      const sample = {
        ms: end.millisecondsSince(start) / launches,
        from: began.at + start.millisecondsSince(began.point),
        to: began.at + end.millisecondsSince(began.point),
      }
      start[Symbol.dispose]()
      end[Symbol.dispose]()
      return sample
    },
  })
}

/** Samples between neighbouring points, which are disposed. */
function between(points: readonly DevicePoint[], at: number, launches: number): Sample[] {
  const samples = points.slice(1).map((point, i) => ({
    ms: point.millisecondsSince(points[i]!) / launches,
    from: at + points[i]!.millisecondsSince(points[0]!),
    to: at + point.millisecondsSince(points[0]!),
  }))
  for (const point of points) point[Symbol.dispose]()
  return samples
}

/**
 * The first launches after a pause: each of them timed, until `spanMs` have passed on the GPU.
 */
export async function timeBurst(
  device: BenchDevice,
  subject: Timed,
  about: { layers: number; launchMs: number; pauseMs: number; spanMs: number },
): Promise<Sample[]> {
  const { layers, launchMs, pauseMs, spanMs } = about
  await device.synchronize()
  await sleep(pauseMs)
  const count = Math.max(1, Math.min(64, Math.round(spanMs / launchMs)))
  device.flush()
  const points = [device.point()]
  const at = Date.now()
  for (let i = 0; i < count; i++) {
    subject.run(i % layers)
    points.push(device.point())
  }
  await device.synchronize()
  return between(points, at, 1)
}

/**
 * One subject without a pause for `holdMs`: what it does when clocks and power have settled. Samples
 * of the first `settleMs` are left out.
 */
export async function timeHeld(
  device: BenchDevice,
  { subject, layers, launches }: TimedSubject,
  about: { launchMs: number; holdMs: number; settleMs: number },
): Promise<Sample[]> {
  const { launchMs, holdMs, settleMs } = about
  const count = Math.max(4, Math.ceil(holdMs / (launches * launchMs)))
  const points = [device.point()]
  const at = Date.now()
  for (let i = 0; i < count; i++) {
    for (let j = 0; j < launches; j++) subject.run((i * launches + j) % layers)
    points.push(device.point())
  }
  await device.synchronize()
  const samples = between(points, at, launches)
  const settled = samples.filter(({ from }) => from - at >= settleMs)
  return settled.length > 0 ? settled : samples.slice(-1)
}
