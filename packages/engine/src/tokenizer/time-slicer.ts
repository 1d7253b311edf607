/**
 * Runs long computations on the JavaScript thread in slices: a few milliseconds of work, then the
 * event loop gets its turn. Jobs run one after the other, so that a crowd of them holds the loop no
 * longer than one.
 */

// A third of the 10 ms that the event loop may be delayed while serving.
const sliceMs = 3

/** A computation that yields where it can be interrupted, and returns its result. */
export type SlicedJob<Result> = Generator<void, Result>

/** A queue of sliced jobs. */
export class TimeSlicer {
  #tail: Promise<unknown> = Promise.resolve()

  /** Runs `job` after those given before it. Rejects with what the job throws, or `signal.reason`. */
  run<Result>(job: SlicedJob<Result>, signal?: AbortSignal): Promise<Result> {
    const result = this.#tail.then(() => this.#runJob(job, signal))
    this.#tail = result.catch(() => undefined)
    return result
  }

  async #runJob<Result>(job: SlicedJob<Result>, signal?: AbortSignal): Promise<Result> {
    for (;;) {
      signal?.throwIfAborted()
      const deadline = performance.now() + sliceMs
      do {
        const step = job.next()
        if (step.done) return step.value
      } while (performance.now() < deadline)
      await new Promise((resume) => setImmediate(resume))
    }
  }
}
