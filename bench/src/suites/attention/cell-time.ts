import { probe, WrongResult, type AttentionPass, type Subject } from '../../harness/index.ts'
import type { AttentionBench, Pairing } from './attention-bench.ts'
import type { AttentionCell, RoundCounts } from './attention-cell.ts'

/** Tokens of each sequence in the pass that tells how fast a kernel is. */
const smallPass = { gpu: { query: 1024, kv: 8192 }, cpu: { query: 64, kv: 1024 } }

const smallPasses = 3

/** A pass that is larger than this many small ones is estimated before it is run. */
const worthEstimating = 8

/** Launches of a subject before its rounds: check and probe. */
const launchesBefore = 3

/** The least rounds may take so many times a cell's budget. */
const patience = 3

const paceOf = ({ pace }: AttentionCell, { name }: Pairing) => `${pace}: ${name}`

/**
 * Whether the least rounds of some pairings would take much longer than there is time, which is
 * recorded. What was never timed counts as nothing.
 */
export function takesTooLong(
  { pace, context: { recorder } }: AttentionBench,
  cell: AttentionCell,
  pairings: readonly Pairing[],
  rounds: RoundCounts,
  budgetMs: number,
): boolean {
  const work = cell.workOf(cell.pass)
  const launchMs = pairings.reduce(
    (sum, one) => sum + (pace.estimate(paceOf(cell, one), work) ?? 0),
    0,
  )
  const ms = (rounds.least + rounds.warmUp + launchesBefore) * launchMs
  if (ms <= patience * budgetMs) return false
  const seconds = (value: number) => Number((value / 1000).toPrecision(2))
  const what = `${pairings.length} subjects and ${rounds.least} rounds take about`
  recorder.skip(cell.where, `${what} ${seconds(ms)} s, and it has ${seconds(budgetMs)} s`)
  return true
}

/** Takes in how long a launch of the cell's pass took. */
export function learnPace(
  { pace }: AttentionBench,
  cell: AttentionCell,
  pairing: Pairing,
  launchMs: number,
): void {
  pace.learn(paceOf(cell, pairing), cell.workOf(cell.pass), launchMs)
}

/**
 * Times a small pass of a kernel that nothing is known of, when the cell's own is large.
 *
 * @returns whether it may be run at all: what is wrong, or is not served, is recorded
 */
export async function timeSmallPass(
  { pace, context: { device, recorder } }: AttentionBench,
  cell: AttentionCell,
  pairing: Pairing,
  make: () => Subject,
): Promise<boolean> {
  const { pass, workOf, rotation } = cell
  const most = smallPass[device.isGpu ? 'gpu' : 'cpu']
  const small: AttentionPass = {
    queryLengths: pass.queryLengths.map((length) => Math.min(length, most.query)),
    kvLengths: pass.kvLengths.map((length) => Math.min(length, most.kv)),
  }
  const kind = paceOf(cell, pairing)
  const known = pace.estimate(kind, 1) !== undefined
  if (known || workOf(pass) < worthEstimating * workOf(small)) return true
  try {
    const subject = make()
    try {
      subject.prepare(small)
      await subject.check({ thorough: false })
      // What else runs can only make it look slower.
      const times: number[] = []
      for (let i = 0; i < smallPasses; i++) {
        times.push(await probe(device, subject, rotation.layers))
      }
      pace.learn(kind, workOf(small), Math.min(...times))
      return true
    } finally {
      await device.synchronize()
      subject[Symbol.dispose]()
    }
  } catch (error) {
    const name = `${cell.where}: ${pairing.name}`
    if (error instanceof WrongResult) recorder.refuse(name, error)
    else recorder.skip(name, error)
    return false
  }
}
