/** The tokenizer in a Hugging Face folder: tokenizer.json and the configs beside it. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

import { engineErrors } from '../errors.ts'
import { findEndTokens } from './end-tokens.ts'
import type {
  AddedTokenDefinition,
  SpacePrefix,
  TokenizerDefinition,
  TokenizerSource,
} from './source.ts'

/** The part of a tokenizer_config.json that we read. */
interface TokenizerConfig {
  readonly add_bos_token?: boolean
  readonly bos_token?: string | { readonly content: string } | null
  readonly eos_token?: string | { readonly content: string } | null
  readonly chat_template?: string | readonly { readonly name: string; readonly template: string }[]
}

/** The part of a generation_config.json or config.json that we read. */
interface EndConfig {
  readonly eos_token_id?: number | readonly number[] | null
}

interface Component {
  readonly type: string
  readonly normalizers?: readonly Component[]
  readonly pretokenizers?: readonly Component[]
  readonly processors?: readonly Component[]
  readonly [name: string]: unknown
}

/**
 * Reads the tokenizer in `folder`.
 * @param config The model's config.json.
 * @throws `ERR_VATTENTION_MODEL_FILE` without a usable tokenizer.json.
 */
export async function huggingFaceTokenizer(
  folder: string,
  config: EndConfig,
): Promise<TokenizerSource> {
  const path = join(folder, 'tokenizer.json')
  const [definition, tokenizerConfig, generationConfig, templateFile] = await Promise.all([
    readJson<TokenizerDefinition>(path),
    readJson<TokenizerConfig>(join(folder, 'tokenizer_config.json')),
    readJson<EndConfig>(join(folder, 'generation_config.json')),
    readFile(join(folder, 'chat_template.jinja'), 'utf8').catch(() => undefined),
  ])
  if (!definition?.model?.vocab) {
    throw engineErrors.modelFile(path, 'is missing, or no tokenizer with a vocabulary')
  }
  const idOf = (token: TokenizerConfig['bos_token']) => {
    const content = typeof token === 'string' ? token : token?.content
    if (content === undefined) return undefined
    return (
      definition.added_tokens.find((added) => added.content === content)?.id ??
      definition.model.vocab[content]
    )
  }
  const bosToken = idOf(tokenizerConfig?.bos_token)
  const eosToken = idOf(tokenizerConfig?.eos_token)
  const template = templateFile ?? pickTemplate(tokenizerConfig?.chat_template)
  const { prefix, ...plain } = withoutPrefix(definition)
  const special = definition.added_tokens.filter((token) => token.special)
  return {
    path,
    definition: plain,
    spelling: usesByteLevel(definition) ? 'byteLevel' : 'sentencePiece',
    ...(prefix ? { spacePrefix: prefix } : {}),
    addBos: bosToken !== undefined && addsBos(definition, tokenizerConfig),
    ...(bosToken === undefined ? {} : { bosToken }),
    ...(eosToken === undefined ? {} : { eosToken }),
    endTokens: findEndTokens(
      [eosToken, config.eos_token_id, generationConfig?.eos_token_id].flatMap(
        (id) => id ?? undefined,
      ),
      special.map((token: AddedTokenDefinition) => [token.id, token.content]),
    ),
    ...(template === undefined ? {} : { chatTemplate: template }),
  }
}

async function readJson<Content>(path: string): Promise<Content | undefined> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch {
    return undefined // optional, but for tokenizer.json, whose absence the caller reports
  }
  try {
    return JSON.parse(text) as Content
  } catch (cause) {
    throw engineErrors.modelFile(path, 'is no JSON', { cause })
  }
}

function pickTemplate(templates: TokenizerConfig['chat_template']): string | undefined {
  if (templates === undefined || typeof templates === 'string') return templates
  return (templates.find(({ name }) => name === 'default') ?? templates[0])?.template
}

/** A component and those inside it. */
function flatten(component: unknown): Component[] {
  if (!component) return []
  const outer = component as Component
  const inner = [...(outer.normalizers ?? []), ...(outer.pretokenizers ?? [])]
  return [outer, ...inner.flatMap(flatten)]
}

function usesByteLevel(definition: TokenizerDefinition): boolean {
  return [definition.pre_tokenizer, definition.decoder]
    .flatMap(flatten)
    .some(({ type }) => type === 'ByteLevel')
}

/** Whether a prompt starts with BOS: the post-processor knows, or the config of old tokenizers. */
function addsBos(
  { post_processor: processor }: TokenizerDefinition,
  config: TokenizerConfig | undefined,
): boolean {
  const outer = processor as Component | null
  const templates = [outer, ...(outer?.processors ?? [])].filter(
    (part) => part?.type === 'TemplateProcessing',
  )
  if (templates.length === 0) return config?.add_bos_token ?? false
  return templates.some((part) => {
    const [first] = (part!['single'] ?? []) as readonly object[]
    return first !== undefined && 'SpecialToken' in first
  })
}

/**
 * Takes the part that puts a space before a text out of a definition. We do it ourselves, since
 * only we know which section of a text is the first.
 */
function withoutPrefix(
  definition: TokenizerDefinition,
): TokenizerDefinition & { prefix: SpacePrefix | undefined } {
  let prefix: SpacePrefix | undefined
  const strip = (component: unknown): unknown => {
    if (!component) return null
    const part = component as Component
    if (part.type === 'Prepend' && part['prepend'] === '▁') {
      prefix = { sections: 'every', unlessSpace: false }
      return null
    }
    if (part.type === 'Metaspace') {
      const scheme =
        part['prepend_scheme'] ?? (part['add_prefix_space'] === false ? 'never' : 'always')
      if (scheme !== 'never') {
        prefix = { sections: scheme === 'first' ? 'first' : 'every', unlessSpace: true }
      }
      return { ...part, prepend_scheme: 'never', add_prefix_space: false }
    }
    for (const list of ['normalizers', 'pretokenizers'] as const) {
      const inner = part[list]
      if (inner) return { ...part, [list]: inner.map(strip).filter((kept) => kept !== null) }
    }
    return part
  }
  const normalizer = strip(definition.normalizer)
  const preTokenizer = strip(definition.pre_tokenizer)
  return { ...definition, normalizer, pre_tokenizer: preTokenizer, prefix }
}
