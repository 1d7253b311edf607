/**
 * Decides what each pass computes. Decoding requests go first, one token each; then prompts being
 * computed, in chunks; then waiting requests, as far as the token budget and `cache.step` allow.
 * When memory runs out, the request of lowest priority that came last is set back and computed
 * again later.
 */
import type { KvCache, StepResult } from '@vattention/interface'

import { engineErrors } from '../errors.ts'
import type { EngineEvent } from './event.ts'
import { compareJobs, type Job } from './job.ts'
import { Pass } from './pass.ts'
import { findHolder, isHeld } from './prefix-hold.ts'
import { WaitingQueue } from './waiting-queue.ts'

/** What a scheduler is made of. */
export interface SchedulerParts {
  readonly cache: KvCache
  /** Most requests that run at once. */
  readonly maxSequences: number
  /** Most tokens of a pass. */
  readonly maxBatchTokens: number
  readonly prefixCaching: boolean
  /** Sliding window of the model, if it has one. */
  readonly window: number | undefined
  readonly emit: (event: EngineEvent) => void
  /** A job cannot be served. */
  readonly onFail: (job: Job, error: unknown) => void
}

type OutOfMemory = Extract<StepResult, { status: 'outOfMemory' }>

// A request that was set back is admitted again only with room to grow, or it would be set back
// again at once.
const readmissionHeadroom = 64
// Sliding pages out one by one costs a call each; a few kilobytes more stay for it.
const slideTokens = 64
// Fences of our passes pass within microseconds. Others' may take a while: after so many milliseconds
// of it, setting a request back is cheaper for all.
const fenceWaits = 100
// Without anything of ours being freed, memory may still come back: limits rise, others free.
const passesBetweenAdmissions = 32

/** The scheduler. Its calls must not overlap. */
export class Scheduler {
  readonly waiting = new WaitingQueue()
  /** Those that have a sequence, in the order in which they go. */
  readonly running: Job[] = []
  /** What `step` did for the last pass, itself. */
  mappedBytes = 0
  driverCalls = 0
  readonly #parts: SchedulerParts
  readonly #blockTokens: number
  /** Passes until admission is tried again; 0: now. Anything freed makes it 0. */
  #admissionPause = 0
  /** Passes put off, one after the other, because memory waits for fences. */
  #fenceWaits = 0

  constructor(parts: SchedulerParts) {
    this.#parts = parts
    const view = parts.cache.view()
    this.#blockTokens = Math.max(16, view.kind === 'paged' ? view.blockTokens : 16)
  }

  /** Whether there is anything to compute. */
  get hasWork(): boolean {
    return this.running.length > 0 || this.waiting.length > 0
  }

  /** Adds a request. */
  submit(job: Job): void {
    job.state = 'waiting'
    this.waiting.add(job)
  }

  /** Ends a job, wherever it is. What it computed stays with the prefix index. */
  end(job: Job): void {
    if (job.state === 'waiting') this.waiting.remove(job)
    if (job.state === 'running') this.#release(job)
    job.state = 'ended'
  }

  /** Ends a job after a failure of the scheduler's own: its sequence is freed if that still works. */
  abandon(job: Job): void {
    try {
      this.end(job)
    } catch {
      // What broke the scheduler is reported already; the cache's owner disposes what is left.
      this.waiting.remove(job)
      const index = this.running.indexOf(job)
      if (index >= 0) this.running.splice(index, 1)
      job.state = 'ended'
    }
  }

  /** The next pass; `undefined` when nothing can be computed now. */
  async plan(): Promise<Pass | undefined> {
    this.mappedBytes = 0
    this.driverCalls = 0
    const { pass, setBack } = this.#planRunning()
    // What was just set back must not come back within the same pass.
    if (!setBack) await this.#admit(pass)
    return pass.rows.length > 0 ? pass : undefined
  }

  /** A pass was computed: its tokens are in the cache. */
  complete(pass: Pass): void {
    for (const { job, count } of pass.rows) {
      if (job.state !== 'running') continue
      job.computed += count
      this.#publish(job)
      this.#slide(job)
    }
  }

  /** Rows of running jobs, backed. */
  #planRunning(): { pass: Pass; setBack: boolean } {
    let setBack = false
    for (;;) {
      const pass = this.#selectRunning()
      if (pass.rows.length === 0) return { pass, setBack }
      let result: StepResult
      try {
        result = this.#stepRunning(pass)
      } catch (error) {
        for (const { job } of pass.rows) this.#fail(job, error)
        continue
      }
      if (result.status === 'ok') {
        this.#fenceWaits = 0
        return { pass, setBack }
      }
      const alone = this.running.length === 1
      const willDo = result.pendingBytes >= result.neededBytes
      if (willDo && (alone || this.#fenceWaits++ < fenceWaits)) {
        return { pass: new Pass(0), setBack } // nothing now: the engine asks again soon
      }
      const victim = this.running.at(-1)!
      if (alone) {
        this.#fail(victim, this.#tooLarge(victim, result))
      } else {
        this.#setBack(victim, 'memory')
        setBack = true
      }
    }
  }

  #selectRunning(): Pass {
    const pass = new Pass(this.#parts.maxBatchTokens)
    for (const job of this.running) if (job.missing === 1 && pass.budget > 0) pass.add(job)
    for (const job of this.running) if (job.missing > 1 && pass.budget > 0) pass.add(job)
    return pass
  }

  #stepRunning(pass: Pass): StepResult {
    const { cache } = this.#parts
    const sequences = Uint32Array.from(pass.rows, ({ job }) => job.sequence!)
    const lengths = Uint32Array.from(pass.rows, ({ job, count }) =>
      Math.max(job.backed, job.computed + count),
    )
    const result = this.#note(cache.step(sequences, lengths))
    if (result.status === 'ok')
      for (const [i, { job }] of pass.rows.entries()) job.backed = lengths[i]!
    return result
  }

  async #admit(pass: Pass): Promise<void> {
    if (this.#admissionPause > 0 && this.running.length > 0) {
      this.#admissionPause--
      return
    }
    this.#admissionPause = 0
    for (const job of this.waiting) {
      if (pass.budget === 0) return
      if (isHeld(job)) continue
      if (this.running.length >= this.#parts.maxSequences && !this.#setBackLower(job, pass)) return
      if ((await this.#admitJob(job, pass)) === 'full') {
        // Those behind it must not overtake it.
        this.#admissionPause = passesBetweenAdmissions
        return
      }
    }
  }

  /** Gives `job` a sequence and memory for all that is known of it. */
  async #admitJob(job: Job, pass: Pass): Promise<'settled' | 'full'> {
    const { cache, prefixCaching } = this.#parts
    for (;;) {
      const allocation = cache.allocate(
        prefixCaching ? { prefix: job.tokens.view(), salt: job.salt } : {},
      )
      if (!allocation) {
        if (this.#setBackLower(job, pass)) continue
        if (this.running.length > 0 || cache.stats().condemnedBytes > 0) return 'full'
        this.#fail(job, engineErrors.noSlot(cache.shape.maxSequences))
        return 'settled'
      }
      const { sequence, sharedLength } = allocation
      const holder = prefixCaching && findHolder(job, this.running, sharedLength, this.#blockTokens)
      if (holder) {
        cache.free(sequence)
        job.heldBy = holder
        const { id: behind } = holder.job
        this.#parts.emit({ kind: 'held', id: job.id, behind, tokens: holder.published })
        return 'settled'
      }
      const backed = this.#admissionLength(job)
      let result: StepResult
      try {
        result = this.#note(await cache.stepAsync(Uint32Array.of(sequence), Uint32Array.of(backed)))
      } catch (error) {
        cache.free(sequence)
        this.#fail(job, error)
        return 'settled'
      }
      if (result.status === 'ok') {
        this.waiting.remove(job)
        Object.assign(job, { sequence, backed, computed: sharedLength, state: 'running' })
        job.published = Math.floor(sharedLength / this.#blockTokens) * this.#blockTokens
        const again = job.preemptions > 0
        if (!again) job.cachedTokens = sharedLength
        this.running.push(job)
        this.running.sort(compareJobs)
        this.#parts.emit({
          kind: 'admitted',
          id: job.id,
          tokens: job.tokens.length,
          cachedTokens: sharedLength,
          again,
        })
        pass.add(job)
        return 'settled'
      }
      cache.free(sequence)
      if (this.#setBackLower(job, pass)) continue
      if (this.running.length > 0 || result.pendingBytes >= result.neededBytes) return 'full'
      this.#fail(job, this.#tooLarge(job, result))
      return 'settled'
    }
  }

  /** Tokens backed at admission: the whole prompt, so that computing it in chunks never runs out. */
  #admissionLength(job: Job): number {
    const known = job.tokens.length
    if (job.preemptions === 0 || this.running.length === 0) return known
    return Math.min(known + readmissionHeadroom, job.maxLength)
  }

  /** Sets the last of the running jobs back, if its priority is below that of `job`. */
  #setBackLower(job: Job, pass: Pass): boolean {
    const victim = this.running.at(-1)
    if (!victim || victim.priority >= job.priority) return false
    pass.remove(victim)
    this.#setBack(victim, 'priority')
    return true
  }

  /** Frees what a running job holds; it waits again and will be computed anew. */
  #setBack(job: Job, reason: 'memory' | 'priority'): void {
    const { computed: computedTokens } = job
    this.#release(job)
    job.preemptions++
    this.submit(job)
    this.#parts.emit({ kind: 'preempted', id: job.id, computedTokens, reason })
  }

  #release(job: Job): void {
    this.#parts.cache.free(job.sequence!)
    job.forgetSequence()
    this.running.splice(this.running.indexOf(job), 1)
    this.#admissionPause = 0
  }

  #fail(job: Job, error: unknown): void {
    this.end(job)
    this.#parts.onFail(job, error)
  }

  #publish(job: Job): void {
    if (!this.#parts.prefixCaching) return
    const full = Math.floor(job.computed / this.#blockTokens) * this.#blockTokens
    if (full <= job.published) return
    this.#parts.cache.publish(job.sequence!, job.tokens.view(0, job.computed), job.salt)
    job.published = full
  }

  #slide(job: Job): void {
    const { window, cache } = this.#parts
    if (window === undefined) return
    const firstKept = job.computed + 1 - window
    if (firstKept < job.firstKept + slideTokens) return
    cache.slide(job.sequence!, firstKept)
    job.firstKept = firstKept
  }

  #note(result: StepResult): StepResult {
    if (result.status === 'ok') {
      this.mappedBytes += result.mappedBytes
      this.driverCalls += result.driverCalls
    } else {
      const { status: _, ...lack } = result
      this.#parts.emit({ kind: 'outOfMemory', ...lack })
    }
    return result
  }

  #tooLarge(job: Job, result: OutOfMemory) {
    const { limitBytes } = this.#parts.cache.stats()
    return engineErrors.requestTooLarge(job.tokens.length, result.neededBytes, limitBytes)
  }
}
