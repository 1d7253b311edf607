/** Jobs that wait, in the order in which they go. */
import { compareJobs, type Job } from './job.ts'

/** Sorted by priority, then arrival. */
export class WaitingQueue implements Iterable<Job> {
  readonly #jobs: Job[] = []

  get length(): number {
    return this.#jobs.length
  }

  /** Puts `job` where it belongs: one that was set back comes before those that came after it. */
  add(job: Job): void {
    let low = 0
    let high = this.#jobs.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (compareJobs(this.#jobs[middle]!, job) < 0) low = middle + 1
      else high = middle
    }
    this.#jobs.splice(low, 0, job)
  }

  /** Takes `job` out, if it is in. */
  remove(job: Job): void {
    const index = this.#jobs.indexOf(job)
    if (index >= 0) this.#jobs.splice(index, 1)
  }

  /** The jobs as they are now; adding and removing meanwhile is fine. */
  [Symbol.iterator](): Iterator<Job> {
    return this.#jobs.slice()[Symbol.iterator]()
  }
}
