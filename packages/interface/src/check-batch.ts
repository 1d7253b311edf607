import type { AttentionBatch } from './attention-backend.ts'
import type { PlanLimits } from './attention-config.ts'
import { errors, type Reason } from './errors.ts'

/**
 * Checks a batch's arrays and lengths against a plan's limits; handles and backing are the cache's
 * to check.
 * @returns the number of query rows: of a plan for a graph, the graph's
 * @throws `ERR_VATTENTION_INVALID_BATCH` with all reasons.
 */
export function checkBatch(batch: Omit<AttentionBatch, 'cache'>, limits: PlanLimits): number {
  const { sequences, queryLengths, kvLengths } = batch
  const found: Reason[] = []
  const add = (code: string, expected: string, got: string | number, where = '') =>
    found.push({
      code,
      message: `${code}${where}: ${expected} required, found ${got}`,
      expected,
      found: String(got),
    })
  for (const name of ['sequences', 'queryLengths', 'kvLengths'] as const) {
    if (!(batch[name] instanceof Uint32Array)) add(name, 'a Uint32Array', typeof batch[name])
  }
  if (found.length > 0) throw errors.invalidBatch(found)
  const count = sequences.length
  if (queryLengths.length !== count) add('queryLengths', `${count} lengths`, queryLengths.length)
  if (kvLengths.length !== count) add('kvLengths', `${count} lengths`, kvLengths.length)
  const most = limits.graph?.sequences ?? limits.maxSequences
  if (count > most) add('sequences', `at most ${most} sequences`, count)
  const longest = Math.min(limits.graph?.maxLength ?? limits.maxLength, limits.maxLength)
  let tokens = 0
  for (let i = 0; i < count; i++) {
    const query = queryLengths[i] ?? 0
    const kv = kvLengths[i] ?? 0
    tokens += query
    if (kv !== 0 && kv < query) add('kvLengths', `at least the query length ${query}`, kv, `[${i}]`)
    if (kv > longest) add('kvLengths', `at most ${longest}`, kv, `[${i}]`)
    if (limits.graph && query !== 1) {
      add('queryLengths', '1 in a plan for a graph', query, `[${i}]`)
    }
  }
  if (tokens > limits.maxTokens)
    add('queryLengths', `at most ${limits.maxTokens} tokens in all`, tokens)
  if (found.length > 0) throw errors.invalidBatch(found)
  return limits.graph?.sequences ?? tokens
}
