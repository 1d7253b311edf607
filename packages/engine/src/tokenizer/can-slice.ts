/** Whether text may be encoded in slices; see text-slices.ts. */
import type { TokenizerSource } from './source.ts'

interface Component {
  readonly type: string
  readonly add_prefix_space?: boolean
  readonly normalizers?: readonly Component[]
  readonly pretokenizers?: readonly Component[]
}

// What neither looks across a cut nor treats the start of a text specially.
const local = new Set([
  'Sequence',
  'NFC',
  'NFKC',
  'Replace',
  'ByteLevel',
  'Split',
  'Digits',
  'Metaspace',
])

/** Whether cutting text between a letter and a space leaves the tokens of `source` as they are. */
export function canSlice({ definition, spelling }: TokenizerSource): boolean {
  const isLocal = (component: unknown): boolean => {
    if (!component) return true
    const { type, add_prefix_space, normalizers, pretokenizers } = component as Component
    if (!local.has(type) || (type === 'ByteLevel' && add_prefix_space)) return false
    return [...(normalizers ?? []), ...(pretokenizers ?? [])].every(isLocal)
  }
  if (!isLocal(definition.normalizer) || !isLocal(definition.pre_tokenizer)) return false
  if (spelling === 'byteLevel') return definition.pre_tokenizer !== null
  // Without words, a merge could reach across: not when no token has a space inside or at its end.
  return !Object.keys(definition.model.vocab).some((token) => /[^▁]▁/.test(token))
}
