/** What Hugging Face calls the tensors of a Llama-family model. */
import type { WeightRole } from '../native.ts'

const globalRoles: Readonly<Record<string, WeightRole>> = {
  'model.embed_tokens.weight': 'embedding',
  'model.norm.weight': 'outputNorm',
  'lm_head.weight': 'output',
}

const layerRoles: Readonly<Record<string, WeightRole>> = {
  'input_layernorm.weight': 'attentionNorm',
  'self_attn.q_proj.weight': 'query',
  'self_attn.k_proj.weight': 'key',
  'self_attn.v_proj.weight': 'value',
  'self_attn.q_proj.bias': 'queryBias',
  'self_attn.k_proj.bias': 'keyBias',
  'self_attn.v_proj.bias': 'valueBias',
  'self_attn.q_norm.weight': 'queryNorm',
  'self_attn.k_norm.weight': 'keyNorm',
  'self_attn.o_proj.weight': 'attentionOutput',
  'post_attention_layernorm.weight': 'feedForwardNorm',
  'mlp.gate_proj.weight': 'gate',
  'mlp.up_proj.weight': 'up',
  'mlp.down_proj.weight': 'down',
}

/** Role and layer of the tensor called `name`; `undefined` when the engine does not know it. */
export function huggingFaceRole(name: string): { role: WeightRole; layer: number } | undefined {
  const role = globalRoles[name]
  if (role) return { role, layer: -1 }
  const match = /^model\.layers\.(\d+)\.(.+)$/.exec(name)
  const layerRole = match && layerRoles[match[2]!]
  return layerRole ? { role: layerRole, layer: Number(match[1]) } : undefined
}

/** Tensors that old checkpoints carry and nobody reads: they follow from the config. */
export function isDerivedTensor(name: string): boolean {
  return name.endsWith('.rotary_emb.inv_freq')
}
