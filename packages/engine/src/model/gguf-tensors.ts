/** What GGUF calls the tensors of a Llama-family model. */
import type { WeightRole } from '../native.ts'

const globalRoles: Readonly<Record<string, WeightRole>> = {
  'token_embd.weight': 'embedding',
  'output_norm.weight': 'outputNorm',
  'output.weight': 'output',
  'rope_freqs.weight': 'ropeFactors',
}

const layerRoles: Readonly<Record<string, WeightRole>> = {
  'attn_norm.weight': 'attentionNorm',
  'attn_q.weight': 'query',
  'attn_k.weight': 'key',
  'attn_v.weight': 'value',
  'attn_q.bias': 'queryBias',
  'attn_k.bias': 'keyBias',
  'attn_v.bias': 'valueBias',
  'attn_q_norm.weight': 'queryNorm',
  'attn_k_norm.weight': 'keyNorm',
  'attn_output.weight': 'attentionOutput',
  'ffn_norm.weight': 'feedForwardNorm',
  'ffn_gate.weight': 'gate',
  'ffn_up.weight': 'up',
  'ffn_down.weight': 'down',
}

/** Role and layer of the tensor called `name`; `undefined` when the engine does not know it. */
export function ggufRole(name: string): { role: WeightRole; layer: number } | undefined {
  const role = globalRoles[name]
  if (role) return { role, layer: -1 }
  const match = /^blk\.(\d+)\.(.+)$/.exec(name)
  const layerRole = match && layerRoles[match[2]!]
  return layerRole ? { role: layerRole, layer: Number(match[1]) } : undefined
}
