/** What the caller did wrong, in words that tell how to do it right. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}
