// Timing launches on a stream: samples of some launches each, one behind the other, with no wait of
// the host between them; and the times of samples as the telemetry knows them.
import { interleave } from './rounds.mjs'

/** Launches of a sample, by rotating through layers: enough to last `leastMs`. */
export const launchesFor = (milliseconds, leastMs) =>
  Math.max(1, Math.min(256, Math.ceil(leastMs / Math.max(milliseconds, 1e-3))))

/** Enqueues one sample behind a flush of the L2 cache: the two points around it. */
export function enqueue(gpu, subject, launches, layers, firstLayer = 0) {
  gpu.flush()
  const start = gpu.point()
  for (let i = 0; i < launches; i++) subject.run((firstLayer + i) % layers)
  return { start, end: gpu.point() }
}

/**
 * @typedef {object} Sample
 * @property {number} ms Of one launch.
 * @property {number} from When it began, as `Date.now()` counts.
 * @property {number} to
 */

/** Milliseconds of one launch, once: to find out how many a sample needs. */
export async function probe(gpu, subject, layers) {
  const once = async () => {
    const { start, end } = enqueue(gpu, subject, 2, layers)
    await gpu.synchronize()
    return end.millisecondsSince(start) / 2
  }
  await once()
  return once()
}

/**
 * Measures subjects in shuffled rounds: the GPU is busy from the first sample of a round to its last.
 *
 * @param {object} gpu
 * @param {Map<string, { subject: object, layers: number, launches: number }>} measured
 * @param {object} options As of interleave.
 * @returns {Promise<Record<string, Sample[]>>}
 */
export async function timeRounds(gpu, measured, options) {
  let anchor
  const subjects = Object.fromEntries(
    [...measured].map(([name, { subject, layers, launches }]) => {
      let count = 0
      return [
        name,
        () => {
          anchor ??= { point: gpu.point(), at: Date.now() }
          const points = enqueue(gpu, subject, launches, layers, count)
          count += launches
          return { ...points, launches, anchor }
        },
      ]
    }),
  )
  return interleave({
    ...options,
    subjects,
    endRound: async () => {
      await gpu.synchronize()
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

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

/**
 * The first launches after a pause: each of them timed, until `spanMs` have passed on the GPU.
 *
 * @returns {Promise<Sample[]>}
 */
export async function timeBurst(gpu, subject, { layers, launchMs, pauseMs, spanMs }) {
  await gpu.synchronize()
  await pause(pauseMs)
  const count = Math.max(1, Math.min(64, Math.round(spanMs / launchMs)))
  gpu.flush()
  const points = [gpu.point()]
  const at = Date.now()
  for (let i = 0; i < count; i++) {
    subject.run(i % layers)
    points.push(gpu.point())
  }
  await gpu.synchronize()
  const samples = points.slice(1).map((point, i) => ({
    ms: point.millisecondsSince(points[i]),
    from: at + points[i].millisecondsSince(points[0]),
    to: at + point.millisecondsSince(points[0]),
  }))
  for (const point of points) point[Symbol.dispose]()
  return samples
}

/**
 * One subject without a pause for `holdMs`: what it does when clocks and power have settled. Samples
 * of the first `settleMs` are left out.
 *
 * @returns {Promise<Sample[]>}
 */
export async function timeHeld(gpu, subject, { layers, launches, launchMs, holdMs, settleMs }) {
  const count = Math.max(4, Math.ceil(holdMs / (launches * launchMs)))
  const points = [gpu.point()]
  const at = Date.now()
  for (let i = 0; i < count; i++) {
    for (let j = 0; j < launches; j++) subject.run((i * launches + j) % layers)
    points.push(gpu.point())
  }
  await gpu.synchronize()
  const samples = points.slice(1).map((point, i) => ({
    ms: point.millisecondsSince(points[i]) / launches,
    from: at + points[i].millisecondsSince(points[0]),
    to: at + point.millisecondsSince(points[0]),
  }))
  const settled = samples.filter(({ from }) => from - at >= settleMs)
  for (const point of points) point[Symbol.dispose]()
  return settled.length > 0 ? settled : samples.slice(-1)
}
