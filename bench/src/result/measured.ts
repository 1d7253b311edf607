import { decodeCase } from './normal/decode.ts'
import { launchCase } from './normal/launch.ts'
import { overheadCase } from './normal/overhead.ts'
import { pagesCase } from './normal/pages.ts'
import { prefillCase } from './normal/prefill.ts'
import { stepCase } from './normal/step.ts'
import type { gpuCases } from './schema/gpu-cases.ts'
import type { MeasuredCase } from './schema/measured-case.ts'
import type { Result, StoredCase } from './schema/result.ts'

/** Readers of the forms that benches of bench/gpu have. */
const readers: Record<keyof typeof gpuCases, (one: never) => MeasuredCase[]> = {
  prefill: prefillCase,
  decode: decodeCase,
  pages: pagesCase,
  step: stepCase,
  overhead: overheadCase,
  peers: prefillCase,
  launch: launchCase,
}

/** A case in the one form, and where in its file it came from. */
export interface PlacedCase extends MeasuredCase {
  /** Index into `cases` of the file. */
  readonly index: number
}

/**
 * The cases of a valid result as measured cases, whatever form the file has them in. Entries that
 * hold no measurement (versions, clocks) are left out.
 */
export function measuredCases(result: Result): PlacedCase[] {
  const reader = readers[result.bench as keyof typeof readers] as
    ((one: StoredCase) => MeasuredCase[]) | undefined
  return result.cases.flatMap((one, index) => {
    const made = 'metrics' in one ? [one] : (reader?.(one) ?? [])
    return made.map((measured) => ({ ...measured, index }))
  })
}
