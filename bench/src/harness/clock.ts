/** Time as a bench reads it: tests have a clock of their own, and never wait. */
export interface Clock {
  /** Milliseconds since some point in the past; never runs backwards. */
  now(): number
}

/** The machine's monotonic clock. */
export const systemClock: Clock = { now: () => performance.now() }
