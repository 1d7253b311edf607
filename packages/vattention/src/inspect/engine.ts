import { probeEngine } from '@vattention/engine'
import type { VattentionError } from '@vattention/interface'

/** The model runner on this machine, or why there is none: a bundle may leave it out. */
export type EngineReport =
  | (ReturnType<typeof probeEngine> & { readonly available: true })
  | { readonly available: false; readonly reason: string }

/** Asks it. */
export function readEngine(): EngineReport {
  try {
    return { available: true, ...probeEngine() }
  } catch (error) {
    return { available: false, reason: (error as VattentionError).message }
  }
}
