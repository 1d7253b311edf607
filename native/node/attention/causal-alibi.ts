import type { AttentionConfig, Reason } from '@vattention/interface'

/**
 * Why kernels that take the distance between query and key for ALiBi cannot serve `config`: without
 * a causal mask the distance has two directions.
 */
export function causalAlibiReasons({ alibiSlopes, causal = true }: AttentionConfig): Reason[] {
  if (!alibiSlopes || causal) return []
  const message = 'ALiBi needs a causal mask, found none'
  return [{ code: 'alibi', message, expected: 'causal', found: 'non-causal' }]
}
