import type { StepResult } from '@vattention/interface'

/** Numbers that a native step writes: `vattn_step_result` without `size`, in its order. */
export const stepNumbers = 7

const limits = ['bytes', 'mappings', 'device'] as const

/** The answer of a step that had nothing to do: one object for all of them. */
const nothingMapped: StepResult = Object.freeze({ status: 'ok', mappedBytes: 0, driverCalls: 0 })

/** A step's result from the numbers that the addon wrote. */
export function toStepResult(numbers: Float64Array): StepResult {
  const [outcome, limit, driverCalls, mappedBytes, neededBytes, pendingBytes, evictableBytes] =
    numbers as unknown as [number, number, number, number, number, number, number]
  if (outcome === 0) {
    return driverCalls === 0 && mappedBytes === 0
      ? nothingMapped
      : { status: 'ok', mappedBytes, driverCalls }
  }
  return {
    status: 'outOfMemory',
    limit: limits[limit]!,
    neededBytes,
    pendingBytes,
    evictableBytes,
  }
}
