// Measuring subjects against each other: every round measures each of them once, in an order of its
// own, so that neither a drift of clocks nor a fixed neighbour decides.
import { shuffled } from './statistics.mjs'

/**
 * Measures in rounds until `most` are done or the budget is spent, `least` at the least.
 *
 * @template Sample
 * @param {object} options
 * @param {Record<string, () => unknown>} options.subjects What enqueues or does one measurement.
 * @param {() => Promise<void>} [options.endRound] Called after each round: waits for the device.
 * @param {(name: string, pending: any) => Sample} [options.collect] What a measurement left, made a
 * sample after `endRound`. Default: as it is.
 * @param {number} options.most
 * @param {number} [options.least] Default 3.
 * @param {number} [options.budgetMs] Default: none.
 * @param {number} [options.warmUp] Rounds before the first that counts. Default 1.
 * @param {() => number} options.random
 * @returns {Promise<Record<string, Sample[]>>} by subject, in the order of the rounds
 */
export async function interleave({
  subjects,
  endRound = async () => undefined,
  collect = (_, pending) => pending,
  most,
  least = 3,
  budgetMs = Infinity,
  warmUp = 1,
  random,
}) {
  const names = Object.keys(subjects)
  const samples = Object.fromEntries(names.map((name) => [name, []]))
  const started = performance.now()
  let longestRound = 0
  for (let round = -warmUp; round < most; round++) {
    const begun = performance.now()
    if (round >= least && begun - started + longestRound > budgetMs) break
    const pending = []
    for (const name of shuffled(names, random)) pending.push([name, await subjects[name]()])
    await endRound()
    if (round >= 0) for (const [name, one] of pending) samples[name].push(collect(name, one))
    longestRound = Math.max(longestRound, performance.now() - begun)
  }
  return samples
}
