import { sum } from 'd3-array'

import type { Clock } from '../harness/index.ts'

/** How far a suite is. */
export interface Progress {
  /** Share of the work that is done, 0 to 1. */
  readonly done: number
  /** What is measured now; undefined when all is done. */
  readonly cell: string | undefined
  /** Which cell it is, from 1, and of how many. */
  readonly index: number
  readonly count: number
  /** As long as the rest takes at the pace so far; undefined until something is known. */
  readonly secondsLeft: number | undefined
}

/** Told whenever a cell begins, and at the end. */
export type OnProgress = (progress: Progress) => void

/** Follows a suite's cells by their weights. */
export class ProgressOfCells {
  readonly #clock: Clock
  readonly #began: number
  readonly #weights: readonly number[]
  readonly #expectedSeconds: number

  /**
   * @param weights Of the cells, in their order.
   * @param expectedSeconds What the whole is thought to take, until its pace is known.
   */
  constructor(clock: Clock, weights: readonly number[], expectedSeconds: number) {
    this.#clock = clock
    this.#began = clock.now()
    this.#weights = weights
    this.#expectedSeconds = expectedSeconds
  }

  /** Before cell `index`; after the last with `index` as many as there are. */
  at(index: number, cell: string | undefined): Progress {
    const count = this.#weights.length
    const all = sum(this.#weights)
    const done = all > 0 ? sum(this.#weights.slice(0, index)) / all : 1
    const elapsed = (this.#clock.now() - this.#began) / 1000
    const secondsLeft = done > 0 ? (elapsed * (1 - done)) / done : this.#expectedSeconds
    return { done, cell, index: Math.min(index + 1, count), count, secondsLeft }
  }
}
