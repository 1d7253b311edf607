import type { AttentionPass, Subject, TimedSubject } from '../../harness/index.ts'
import type { NamedShape } from '../../suite/index.ts'
import type { Pairing } from './attention-bench.ts'
import type { Rotation } from './rotation.ts'

/** One thing that kernels over caches are timed at. */
export interface AttentionCell {
  /** For people, and for what is skipped: `16 x 1K`. */
  readonly where: string
  readonly shape: NamedShape
  readonly pairings: readonly Pairing[]
  readonly sequences: number
  /** Tokens that the caches hold of each sequence. */
  readonly length: number
  readonly pass: AttentionPass
  readonly rotation: Rotation
  /** Work of a pass in one layer, in the unit of its rate: what estimates are made of. */
  readonly workOf: (pass: AttentionPass) => number
  /** What is alike fast: `prefill`. */
  readonly pace: string
  /** A sample lasts so long at least. */
  readonly leastMs: number
  /** Whether the oracle looks at more than one row: see `Subject.compare`. Defaults to `true`. */
  readonly thorough?: boolean
}

/** How many rounds there are. */
export interface RoundCounts {
  readonly most: number
  readonly least: number
  readonly warmUp: number
}

/** A subject that is right, and how it is timed. */
export interface LiveSubject extends Pairing {
  readonly subject: Subject
  readonly timed: TimedSubject
  /** Of one launch, before the rounds. */
  readonly launchMs: number
  readonly maxError: number
}
