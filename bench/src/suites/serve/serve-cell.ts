import { interleave } from '../../harness/index.ts'
import type { Cell, SuiteContext } from '../../suite/index.ts'
import { assertRate } from '../../traces/index.ts'
import { comparisonsOf, type Candidate } from './candidates.ts'
import type { Pause, PlayedRequest } from './play-requests.ts'
import { comparedCase, nameOf, servedCase, type ServeParameters } from './serve-cases.ts'
import type { ServeOptions } from './serve-options.ts'
import { serveRun, type ServeRun } from './serve-run.ts'
import type { ServedModel } from './served-model.ts'
import type { Workload } from './workload.ts'

/** What a suite's cells share. */
export interface ServeShared {
  readonly context: SuiteContext
  readonly options: ServeOptions
  readonly model: ServedModel
  readonly candidates: readonly Candidate[]
  readonly pause: Pause
}

/** One trace, with one way of arriving and one limit of memory. */
export interface ServeCellParts {
  readonly workload: Workload
  readonly parameters: ServeParameters
  readonly limitBytes: number
  readonly weight?: number
  /** When the requests of a round are sent. What it throws is the reason to skip the cell. */
  readonly sendSeconds: (round: number) => Promise<readonly number[]> | readonly number[]
}

/** Prompts of warm-ups have seeds of their own, far from those of rounds. */
const warmUpSeeds = 2 ** 24
const mostSeed = 2 ** 31

const seedOf = (seed: number, round: number) => Math.abs(seed + 7919 * round) % mostSeed

/** Requests of a round: other prompts in each, the same for every candidate. */
export function requestsOf(
  workload: Workload,
  seed: number,
  sendSeconds: readonly number[],
): PlayedRequest[] {
  return workload.trace.requests.map(({ outputTokens }, row) => ({
    tokens: workload.prompt(row, seed),
    outputTokens,
    sendSeconds: sendSeconds[row]!,
  }))
}

/** The first two requests with other prompts, all at once. */
function warmUpOf(workload: Workload, seed: number): PlayedRequest[] {
  return workload.trace.requests.slice(0, 2).map(({ outputTokens }, row) => ({
    tokens: workload.prompt(row, (seed + warmUpSeeds) % mostSeed),
    outputTokens,
    sendSeconds: 0,
  }))
}

/** Runs one candidate once, with an engine and a cache of its own. */
export function runCandidate(
  { context, options, model, pause }: ServeShared,
  { workload, limitBytes }: Pick<ServeCellParts, 'workload' | 'limitBytes'>,
  candidate: Candidate,
  round: number,
  sendSeconds: readonly number[],
): Promise<ServeRun> {
  const { clock, signal, settings } = context
  const { maxSequences, tokenBudget, serviceLevel } = options
  const seed = seedOf(settings.seed, round)
  return serveRun({
    model,
    candidate,
    options: {
      limitBytes,
      maxSequences,
      maxLength: workload.longest,
      ...(tokenBudget === undefined ? {} : { tokenBudget }),
    },
    warmUp: warmUpOf(workload, seed),
    requests: requestsOf(workload, seed, sendSeconds),
    serviceLevel,
    clock,
    pause,
    signal,
  })
}

/** Runs all candidates in rounds, in an order of its own each, and records what they come to. */
export function serveCell(shared: ServeShared, parts: ServeCellParts): Cell {
  const { parameters, weight } = parts
  const name = nameOf(parameters)
  return {
    name,
    ...(weight === undefined ? {} : { weight }),
    measure: (budgetMs) => measure(shared, parts, name, budgetMs),
  }
}

async function measure(
  shared: ServeShared,
  parts: ServeCellParts,
  name: string,
  budgetMs: number,
): Promise<void> {
  const { context, options, candidates } = shared
  const { recorder, random, clock, signal, settings, glance } = context
  const { quick, strictBudget = quick } = settings
  const plans: (readonly number[])[] = []
  try {
    plans.push(await parts.sendSeconds(0))
  } catch (error) {
    if (!signal.aborted) recorder.skip(name, error)
    return
  }
  const runs = new Map(candidates.map((one): [string, (ServeRun | undefined)[]] => [one.name, []]))
  const given = new Set<string>()
  const started = clock.now()
  const measureOne = async (candidate: Candidate) => {
    const own = runs.get(candidate.name)!
    const round = own.length
    own.push(undefined)
    if (given.has(candidate.name)) return
    if (strictBudget && clock.now() - started > budgetMs) {
      if (round === 0) recorder.skip(`${name}: ${candidate.name}`, 'the time was up')
      return
    }
    const send = (plans[round] ??= await parts.sendSeconds(round))
    try {
      const run = await runCandidate(shared, parts, candidate, round, send)
      checkArrivals(run, send)
      own[round] = run
    } catch (error) {
      if (signal.aborted) return
      // What has failed once would fail each time; a rate that was missed is bad luck.
      if (!(error instanceof MissedRate)) given.add(candidate.name)
      recorder.skip(`${name}: ${candidate.name}, round ${round + 1}`, error)
    }
  }
  await interleave({
    subjects: Object.fromEntries(candidates.map((one) => [one.name, () => measureOne(one)])),
    collect: () => undefined,
    most: options.rounds,
    least: strictBudget ? 1 : 3,
    warmUp: 0,
    budgetMs,
    clock,
    random,
    signal,
    glance,
  })
  record(shared, parts, name, runs)
}

/** Requests came at another rate than the figures would be shown for. */
class MissedRate extends Error {}

function checkArrivals(run: ServeRun, planned: readonly number[]): void {
  const span = planned.at(-1)! - planned[0]!
  if (run.sentPerSecond === null || !(span > 0)) return
  const sent = run.timings.flatMap(({ sentSeconds }) => (sentSeconds === null ? [] : [sentSeconds]))
  try {
    assertRate('The run', sent, (planned.length - 1) / span)
  } catch (error) {
    throw new MissedRate((error as Error).message)
  }
}

function record(
  { context: { recorder, random }, candidates }: ServeShared,
  { parameters, workload }: ServeCellParts,
  name: string,
  runs: ReadonlyMap<string, readonly (ServeRun | undefined)[]>,
): void {
  const served = new Map<string, readonly ServeRun[]>()
  for (const candidate of candidates) {
    const done = runs.get(candidate.name)!.filter((run) => run !== undefined)
    if (done.length === 0) continue
    served.set(candidate.name, done)
    const found = servedCase(candidate, parameters, done, random)
    const { ceilingHitShare } = workload
    recorder.add({
      ...found,
      metrics: {
        ...found.metrics,
        ...(ceilingHitShare !== null && { ceilingShare: ceilingHitShare }),
      },
    })
    reportFailures(done, (reason) => recorder.skip(`${name}: ${candidate.name}`, reason))
  }
  for (const { of, over } of comparisonsOf(candidates)) {
    const both = { of: runs.get(of.name)!, over: runs.get(over.name)! }
    const rounds = both.of.flatMap((one, i) => (one && both.over[i] ? [i] : []))
    if (rounds.length === 0) continue
    const common = {
      of: rounds.map((i) => both.of[i]!),
      over: rounds.map((i) => both.over[i]!),
    }
    const compared = comparedCase({ of, over }, parameters, common, random)
    if (compared) recorder.add(compared)
  }
}

/** Requests that were not served, by reason. */
function reportFailures(runs: readonly ServeRun[], report: (reason: string) => void): void {
  const counts = new Map<string, number>()
  for (const { summary } of runs) {
    for (const [reason, count] of Object.entries(summary.failures)) {
      counts.set(reason, (counts.get(reason) ?? 0) + count)
    }
  }
  for (const [reason, count] of counts) report(`${count} requests failed: ${reason}`)
}
