import type { Trace } from '../../traces/index.ts'

/**
 * The requests of a trace that share more with another one than the block that opens all: the turns of
 * conversations, and documents that are asked about again. The first thousand rows of a trace have few
 * of them, since what came before it is unknown.
 */
export function conversations(trace: Trace): Trace {
  const uses = new Map<number, number>()
  // An id stands for its block and everything before it: the second one is of two blocks in common.
  const second = (hashes: readonly number[] = []) => hashes[1]
  for (const { blockHashes } of trace.requests) {
    const hash = second(blockHashes)
    if (hash !== undefined) uses.set(hash, (uses.get(hash) ?? 0) + 1)
  }
  const requests = trace.requests.filter(({ blockHashes }) => {
    const hash = second(blockHashes)
    return hash !== undefined && uses.get(hash)! > 1
  })
  return { ...trace, requests }
}
