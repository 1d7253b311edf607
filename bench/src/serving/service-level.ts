import type { CompletedRequest } from './request-timing.ts'

/** Limits that a request is to be served within (SLO). Those not given do not count. */
export interface ServiceLevel {
  readonly ttftSeconds?: number
  readonly tpotSeconds?: number
  readonly e2eSeconds?: number
}

/** MLPerf Inference's limits on the 99th percentiles, by model. */
export const mlperfServiceLevels = {
  'llama-3.1-8b': { ttftSeconds: 2, tpotSeconds: 0.1 },
  'llama-3.1-8b-interactive': { ttftSeconds: 0.5, tpotSeconds: 0.03 },
  'llama-2-70b': { ttftSeconds: 2, tpotSeconds: 0.2 },
  'llama-2-70b-interactive': { ttftSeconds: 0.45, tpotSeconds: 0.04 },
  'llama-3.1-405b': { ttftSeconds: 6, tpotSeconds: 0.175 },
  'llama-3.1-405b-interactive': { ttftSeconds: 4.5, tpotSeconds: 0.08 },
} as const satisfies Record<string, ServiceLevel>

/** Whether a request met all given limits. One without a TPOT, of a single token, meets that limit. */
export function meets(timing: CompletedRequest, level: ServiceLevel): boolean {
  const within = (value: number | null, limit: number | undefined) =>
    limit === undefined || value === null || value <= limit
  return (
    within(timing.ttftSeconds, level.ttftSeconds) &&
    within(timing.tpotSeconds, level.tpotSeconds) &&
    within(timing.e2eSeconds, level.e2eSeconds)
  )
}
