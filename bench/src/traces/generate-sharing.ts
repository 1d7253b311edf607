/**
 * Conversations: which requests go on from an earlier one, and what their prompts have in common.
 *
 * Block 0 opens every prompt, as a system prompt does. A request that *follows* contains all full
 * blocks of an earlier prompt and adds to it (the next turn), or has only its beginning in common (an
 * edited conversation, a document used twice).
 */
import { bisector } from 'd3-array'

import { drawn, quantileAt } from './quantile-table.ts'
import type { Random } from '../harness/random.ts'
import type { PromptSharing, TraceProfile } from './trace-profile.ts'

/** Prompts with their blocks. */
export interface SharedPrompts {
  /** `[requests]` */
  readonly promptTokens: number[]
  /** `[requests][ceil(promptTokens / blockTokens)]` */
  readonly blockHashes: number[][]
}

/** The first two blocks: fewer than that in common is the system prompt alone. */
const leastSharedBlocks = 2

/** A conversation of the wrong kind (just begun, or going on) is taken only where nothing else fits. */
const otherKindMisfit = 8

interface Prompt {
  readonly arrival: number
  readonly tokens: number
  readonly hashes: number[]
  /** It goes on from an earlier prompt itself. */
  readonly follows: boolean
  /** Another request goes on from it already: its conversation is further on. */
  continued: boolean
}

/**
 * Prompts whose lengths and common beginnings have the statistics of `sharing`.
 *
 * @param profile Its `promptTokens` are those of requests that follow no other.
 * @param arrivalSeconds Ascending. `[requests]`
 */
export function generateSharing(
  profile: TraceProfile,
  sharing: PromptSharing,
  arrivalSeconds: readonly number[],
  random: Random,
): SharedPrompts {
  const { blockTokens } = sharing
  const gaps = arrivalSeconds.map((arrival) => {
    const gap = quantileAt(sharing.gapSeconds, random.uniform())
    // What was there before the trace began, is not in it: requests that followed it follow nothing.
    return random.uniform() < sharing.followShare && gap <= arrival ? gap : undefined
  })
  const followers = gaps.filter((gap) => gap !== undefined).length
  const ofFollowers = drawn(sharing.followPromptTokens, followers, random)
  const ofOthers = drawn(profile.promptTokens, gaps.length - followers, random)

  const prompts: Prompt[] = []
  let nextHash = 1
  gaps.forEach((gap, i) => {
    const arrival = arrivalSeconds[i]!
    const tokens = Math.round((gap === undefined ? ofOthers : ofFollowers).pop()!)
    const wanted = { arrival, tokens, gap: gap ?? 0 }
    const shared = gap === undefined ? [] : sharedBlocks(prompts, sharing, wanted, random)
    const hashes = shared.length > 0 ? [...shared] : [0]
    while (hashes.length < Math.ceil(tokens / blockTokens)) hashes.push(nextHash++)
    prompts.push({ arrival, tokens, hashes, follows: shared.length > 0, continued: false })
  })
  return {
    promptTokens: prompts.map(({ tokens }) => tokens),
    blockHashes: prompts.map(({ hashes }) => hashes),
  }
}

/** Blocks that a new prompt has in common with an earlier one; none when no earlier one fits. */
function sharedBlocks(
  prompts: readonly Prompt[],
  { blockTokens, ...sharing }: PromptSharing,
  wanted: { arrival: number; tokens: number; gap: number },
  random: Random,
): number[] {
  // Its last token is always the new prompt's own.
  const most = Math.floor((wanted.tokens - 1) / blockTokens)
  if (most < leastSharedBlocks) return []
  const fullBlocks = ({ tokens }: Prompt) => Math.floor(tokens / blockTokens)
  if (random.uniform() < sharing.partialShare) {
    const drawnBlocks = Math.round(quantileAt(sharing.partialBlocks, random.uniform()))
    const blocks = Math.min(drawnBlocks, most)
    const found = best(prompts, wanted, (prompt) => (fullBlocks(prompt) > blocks ? 0 : undefined))
    return found === undefined ? [] : found.hashes.slice(0, blocks)
  }
  const growth = quantileAt(sharing.growthTokens, random.uniform())
  const longer = random.uniform() < sharing.continuedShare
  const target = Math.max(wanted.tokens - growth, leastSharedBlocks * blockTokens)
  const found = best(prompts, wanted, (prompt) => {
    const blocks = fullBlocks(prompt)
    if (prompt.continued || blocks < leastSharedBlocks || blocks > most) return undefined
    const otherKind = prompt.follows === longer ? 0 : otherKindMisfit
    return Math.abs(prompt.tokens - target) / blockTokens + otherKind
  })
  if (found === undefined) return []
  found.continued = true
  return found.hashes.slice(0, fullBlocks(found))
}

/** Requests of one tick of the clock cannot follow each other; nor is anything compared with age 0. */
const leastAge = 1

/**
 * The earlier prompt that fits best: `misfit` says how much a prompt differs from what is wanted, in
 * blocks, or that it cannot be; being twice or half as old as wanted counts like one block. Looks from
 * the wanted age on in both directions, as far as age alone is no worse than what was found.
 *
 * @param prompts In order of arrival.
 */
function best(
  prompts: readonly Prompt[],
  wanted: { arrival: number; gap: number },
  misfit: (prompt: Prompt) => number | undefined,
): Prompt | undefined {
  const { arrival } = wanted
  const gap = Math.max(wanted.gap, leastAge)
  const start = byArrival(prompts, arrival - gap)
  let found: Prompt | undefined
  let least = Number.POSITIVE_INFINITY
  const look = (from: number, to: number) => {
    for (let i = from; i >= 0 && i < prompts.length; i += to) {
      const prompt = prompts[i]!
      const age = arrival - prompt.arrival
      if (age < leastAge) return
      const late = Math.max(age, gap) / Math.min(age, gap) - 1
      if (late >= least) return
      const total = late + (misfit(prompt) ?? Number.POSITIVE_INFINITY)
      if (total < least) {
        least = total
        found = prompt
      }
    }
  }
  look(start - 1, -1)
  look(start, 1)
  return found
}

/** The first prompt that came at `seconds` or later. */
const byArrival = bisector(({ arrival }: Prompt) => arrival).left
