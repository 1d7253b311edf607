/**
 * Requests that arrive together often share a beginning that none has computed yet. Computing it
 * once is less work for all: a request is held back while a running one computes a beginning that
 * both have.
 */
import type { Job } from './job.ts'

// Sharing less than two blocks of the prefix index is not worth a pass of waiting.
const minGainTokens = 32

/**
 * The running job that `job` should wait for, and how many tokens that one must have published.
 *
 * @param sharedLength Tokens that `job` could share now.
 * @param blockTokens Granule in which the prefix index shares.
 */
export function findHolder(
  job: Job,
  running: Iterable<Job>,
  sharedLength: number,
  blockTokens: number,
): { job: Job; published: number } | undefined {
  let best: { job: Job; published: number } | undefined
  for (const other of running) {
    // One that others overtake would make this one wait for them.
    if (other.missing <= 1 || other.salt !== job.salt || other.priority < job.priority) continue
    const common = commonPrefix(job, other)
    const published = Math.floor(common / blockTokens) * blockTokens
    if (published <= other.published) continue
    if (published - sharedLength < minGainTokens) continue
    if (!best || published > best.published) best = { job: other, published }
  }
  return best
}

/** Whether `job` still waits for the one that it was held back for. */
export function isHeld(job: Job): boolean {
  const { heldBy } = job
  if (!heldBy) return false
  if (heldBy.job.state === 'running' && heldBy.job.published < heldBy.published) return true
  job.heldBy = undefined
  return false
}

/** Tokens at the start that both have; the last of `job`'s is never shared. */
function commonPrefix(job: Job, other: Job): number {
  const length = Math.min(job.tokens.length - 1, other.tokens.length)
  let common = 0
  while (common < length && job.tokens.at(common) === other.tokens.at(common)) common++
  return common
}
