/** One forward pass in the making: which tokens of which jobs. */
import type { ForwardBatch, RowSampling } from '../native.ts'
import type { Job } from './job.ts'

/** A job's part of a pass. */
export interface PassRow {
  readonly job: Job
  /** Its next tokens, this many. */
  readonly count: number
  /** Whether the job's last known token is among them, so that the next one is drawn. */
  readonly draws: boolean
}

/** Jobs and their tokens, within a budget. */
export class Pass {
  readonly rows: PassRow[] = []
  #budget: number

  /** @param budget Most tokens of the pass. */
  constructor(budget: number) {
    this.#budget = budget
  }

  /** Tokens that still fit. */
  get budget(): number {
    return this.#budget
  }

  /** Adds as many of the job's next tokens as fit; at least one has to. */
  add(job: Job): void {
    const count = Math.min(job.missing, this.#budget)
    this.#budget -= count
    this.rows.push({ job, count, draws: count === job.missing })
  }

  /** Takes a job out again. */
  remove(job: Job): void {
    const index = this.rows.findIndex((row) => row.job === job)
    if (index < 0) return
    this.#budget += this.rows[index]!.count
    this.rows.splice(index, 1)
  }

  /** What the runner needs. */
  batch(): ForwardBatch {
    const { rows } = this
    const total = rows.reduce((sum, { count }) => sum + count, 0)
    const drawing = rows.filter(({ draws }) => draws)
    const sequences = new Uint32Array(rows.length)
    const queryLengths = new Uint32Array(rows.length)
    const kvLengths = new Uint32Array(rows.length)
    const tokens = new Int32Array(total)
    const logitRows = new Uint32Array(drawing.length)
    const sampling: RowSampling[] = []
    let at = 0
    for (const [i, { job, count, draws }] of rows.entries()) {
      const end = job.computed + count
      sequences[i] = job.sequence!
      queryLengths[i] = count
      kvLengths[i] = end
      tokens.set(job.tokens.view(job.computed, end), at)
      at += count
      if (!draws) continue
      logitRows[sampling.length] = at - 1
      sampling.push(job.sampler.row(job.tokens.view(), job.promptLength))
    }
    return { sequences, queryLengths, kvLengths, tokens, logitRows, sampling }
  }
}
