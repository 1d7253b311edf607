/** What happened to a request, as its client saw it. Times are seconds of one clock. */
export type ServingEvent =
  /** The plan wanted it sent at this time: latency starts here. Prompt tokens are the request's. */
  | {
      readonly kind: 'scheduled'
      readonly request: number
      readonly atSeconds: number
      readonly promptTokens: number
    }
  /** It was sent. Later than scheduled when the client was late, or busy. */
  | { readonly kind: 'sent'; readonly request: number; readonly atSeconds: number }
  /** The first chunk of its output came, `tokens` of them. */
  | {
      readonly kind: 'firstToken'
      readonly request: number
      readonly atSeconds: number
      readonly tokens: number
    }
  /** Another chunk came. */
  | {
      readonly kind: 'tokens'
      readonly request: number
      readonly atSeconds: number
      readonly tokens: number
    }
  /** It was complete. */
  | { readonly kind: 'end'; readonly request: number; readonly atSeconds: number }
  /** It was not served, or not to its end. */
  | {
      readonly kind: 'failure'
      readonly request: number
      readonly atSeconds: number
      readonly reason: string
    }
