import { defineError, VattentionError } from '@vattention/interface'

/** The errors of serving measurements. */
export const servingErrors = {
  log: defineError(
    'ERR_VATTENTION_SERVING_LOG',
    'state',
    'A log of serving events contradicts itself: an event is missing, comes twice, or is earlier than the one before it. Figures from it would be wrong.',
    (code, request: number, message: string) =>
      new VattentionError(code, `Request ${request}: ${message}.`),
  ),
} as const
