import { errors, type AttentionBatch } from '@vattention/interface'

import type { HandleCheck, NativeCalls } from '../native-calls.ts'
import { isNativeError, nativeStatus } from '../native-error.ts'

/** What the C ABI found wrong with a batch, as the error that `prepare` promises. */
export function batchError(error: unknown, calls: NativeCalls, batch: AttentionBatch): unknown {
  const { invalidArgument, notBacked } = nativeStatus
  if (!isNativeError(error) || (error.status !== invalidArgument && error.status !== notBacked)) {
    return calls.typed(error, batch.sequences, batch.cache as unknown as HandleCheck)
  }
  const { message } = error
  const code = error.status === notBacked ? 'backedLength' : 'batch'
  const typed = errors.invalidBatch([
    { code, message, expected: 'a batch that this plan and cache can serve', found: message },
  ])
  typed.cause = error
  return typed
}
