import type { Trace, TraceRequest } from '../../../src/traces/index.ts'

/** A trace of these requests. */
export function traceOf(requests: readonly TraceRequest[], blockTokens?: number): Trace {
  return {
    format: 'generated',
    source: { kind: 'generated', profile: 'by hand', seed: 0 },
    requests,
    ...(blockTokens !== undefined && { blockTokens }),
  }
}

/** Matches errors by their code. */
export const code = (expected: string) => ({ code: `ERR_VATTENTION_${expected}` })

/** The error that `action` throws. */
export function thrownBy(action: () => unknown): unknown {
  try {
    action()
  } catch (error) {
    return error
  }
  return undefined
}
