import type { ServingEvent } from './serving-event.ts'

/** A clock: seconds, never going back. */
export type Clock = () => number

/**
 * Collects what happens to requests. It only writes down: whether the events make sense is checked
 * when they are read (`requestTimings`), not while a server is being measured.
 *
 * @example
 * ```ts
 * const log = new ServingLog(() => performance.now() / 1000)
 * log.scheduled(0, { atSeconds: 0.25, promptTokens: 512 })
 * log.sent(0)
 * for await (const chunk of stream) log.tokens(0, chunk.length)
 * log.end(0)
 * ```
 */
export class ServingLog {
  /** In the order in which they were written. */
  readonly events: ServingEvent[] = []
  readonly #clock: Clock
  readonly #started = new Set<number>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The request is to be sent at `atSeconds`, by the log's clock. Defaults to now, as in a closed loop. */
  scheduled(request: number, { promptTokens, atSeconds }: ScheduledRequest): void {
    const time = atSeconds ?? this.#clock()
    this.events.push({ kind: 'scheduled', request, atSeconds: time, promptTokens })
  }

  /** The request is sent now. */
  sent(request: number): void {
    this.events.push({ kind: 'sent', request, atSeconds: this.#clock() })
  }

  /** A chunk of `count` tokens came now: the first of a request is its first token. */
  tokens(request: number, count = 1): void {
    const kind = this.#started.has(request) ? 'tokens' : 'firstToken'
    this.#started.add(request)
    this.events.push({ kind, request, atSeconds: this.#clock(), tokens: count })
  }

  /** The request is complete now. */
  end(request: number): void {
    this.events.push({ kind: 'end', request, atSeconds: this.#clock() })
  }

  /** The request has failed now. */
  failure(request: number, reason: string): void {
    this.events.push({ kind: 'failure', request, atSeconds: this.#clock(), reason })
  }
}

/** What is known of a request before it is sent. */
export interface ScheduledRequest {
  readonly promptTokens: number
  /** Defaults to now. */
  readonly atSeconds?: number
}
