/** Reads the description of a model from a folder as Hugging Face lays it out. */
import { readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'

import { engineErrors } from '../errors.ts'
import type { WeightSource } from '../native.ts'
import { huggingFaceTokenizer } from '../tokenizer/hugging-face-tokenizer.ts'
import {
  isStorageType,
  storageTypes,
  storedBytes,
  supportedArchitectures,
  type Architecture,
  type ModelConfig,
  type ModelDescription,
} from './description.ts'
import { huggingFaceRole, isDerivedTensor } from './hugging-face-tensors.ts'
import { readRopeScaling, type RopeParameters } from './rope-scaling.ts'
import { readSafetensorsFolder, type SafetensorsEntry } from './safetensors.ts'
import { summariseTensors } from './summary.ts'
import { Refusals } from './unsupported.ts'

/** The part of a config.json that we read. */
interface HuggingFaceConfig {
  readonly model_type?: string
  readonly _name_or_path?: string
  readonly hidden_act?: string
  readonly num_hidden_layers: number
  readonly hidden_size: number
  readonly intermediate_size: number
  readonly num_attention_heads: number
  readonly num_key_value_heads?: number
  readonly head_dim?: number | null
  readonly rms_norm_eps: number
  readonly rope_theta?: number
  readonly rope_scaling?: RopeParameters | null
  readonly rope_parameters?: RopeParameters | null
  readonly partial_rotary_factor?: number
  readonly max_position_embeddings: number
  readonly tie_word_embeddings?: boolean
  readonly sliding_window?: number | null
  readonly use_sliding_window?: boolean
  readonly max_window_layers?: number
}

/**
 * Describes the model in `folder`: config.json, tokenizer.json and safetensors files.
 *
 * @throws `ERR_VATTENTION_MODEL_FILE` when a file is missing or malformed.
 * @throws `ERR_VATTENTION_MODEL_UNSUPPORTED` with every reason.
 */
export async function readHuggingFace(folder: string): Promise<ModelDescription> {
  const [config, entries] = await Promise.all([
    readJson<HuggingFaceConfig>(join(folder, 'config.json')),
    readSafetensorsFolder(folder),
  ])
  const refusals = new Refusals()
  const architecture = config.model_type
  if (!isArchitecture(architecture)) {
    refusals.add('model_type', architecture ?? 'none', supportedArchitectures.join(', '))
    refusals.throwIfAny(folder)
    throw new Error('unreachable')
  }
  const { act, headDim, ropeBase } = derived(config)
  refusals.unless(act === 'silu', 'hidden_act', act, 'silu')
  const partial = config.partial_rotary_factor ?? 1
  refusals.unless(partial === 1, 'partial_rotary_factor', partial, '1')
  const rope = readRopeScaling(
    config.rope_parameters ?? config.rope_scaling,
    ropeBase,
    headDim,
    refusals,
  )
  const window = readWindow(config, refusals)
  const tensors = locateTensors(entries, config.tie_word_embeddings ?? false, refusals)
  refusals.throwIfAny(folder)

  const tokenizer = await huggingFaceTokenizer(folder, await readJson(join(folder, 'config.json')))
  return {
    format: 'safetensors',
    path: folder,
    name: config._name_or_path || basename(folder),
    architecture,
    config: readConfig(config, tensors, rope.scale, folder),
    contextLength: config.max_position_embeddings,
    ...(window === undefined ? {} : { window }),
    ...(rope.factors ? { ropeFactors: rope.factors } : {}),
    ...summariseTensors(tensors),
    tensors,
    tokenizer,
  }
}

function isArchitecture(name: string | undefined): name is Architecture {
  return supportedArchitectures.includes(name as Architecture)
}

async function readJson<Content>(path: string): Promise<Content> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Content
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT'
    throw engineErrors.modelFile(path, missing ? 'no such file' : 'is no JSON', { cause })
  }
}

function derived(config: HuggingFaceConfig) {
  return {
    act: config.hidden_act ?? 'silu',
    headDim: config.head_dim ?? config.hidden_size / config.num_attention_heads,
    ropeBase: config.rope_theta ?? config.rope_parameters?.rope_theta ?? 10_000,
  }
}

/** The window of all layers; a model with windows on some of them is refused. */
function readWindow(config: HuggingFaceConfig, refusals: Refusals): number | undefined {
  const window = config.sliding_window ?? undefined
  // Qwen2 has the number also where it is not used; Mistral has no switch.
  if (window === undefined || config.use_sliding_window === false) return undefined
  const isQwen = config.use_sliding_window !== undefined
  const windowLayersFrom = config.max_window_layers ?? 0
  if (isQwen && windowLayersFrom >= config.num_hidden_layers) return undefined
  refusals.unless(
    !isQwen || windowLayersFrom === 0,
    'max_window_layers',
    windowLayersFrom,
    `0 or ${config.num_hidden_layers} (one window for all layers)`,
  )
  return window
}

function locateTensors(
  entries: readonly SafetensorsEntry[],
  tied: boolean,
  refusals: Refusals,
): WeightSource[] {
  const found: WeightSource[] = []
  for (const { name, path, dtype, shape, offset, bytes } of entries) {
    if (isDerivedTensor(name)) continue
    const role = huggingFaceRole(name)
    if (!role) {
      refusals.add('tensor', name, 'of the Llama family only')
      continue
    }
    if (tied && role.role === 'output') continue // a copy of the embedding
    if (!isStorageType(dtype)) {
      const plain = Object.keys(storageTypes).filter((type) => !type.includes('_'))
      refusals.add('dtype', `${dtype} (${name})`, plain.join(', '))
      continue
    }
    const source: WeightSource = { ...role, path, offset, type: dtype, shape }
    if (storedBytes(source) !== bytes) {
      throw engineErrors.modelFile(
        path,
        `tensor ${name} of ${dtype} [${shape.join(', ')}] has ${bytes} bytes instead of ${storedBytes(source)}`,
      )
    }
    found.push(source)
  }
  return found
}

function readConfig(
  config: HuggingFaceConfig,
  tensors: readonly WeightSource[],
  ropeScale: number,
  folder: string,
): ModelConfig {
  const embedding = tensors.find(({ role }) => role === 'embedding')
  if (!embedding) throw engineErrors.modelFile(folder, 'has no tensor model.embed_tokens.weight')
  const { headDim, ropeBase } = derived(config)
  return {
    layers: config.num_hidden_layers,
    hiddenSize: config.hidden_size,
    feedForwardSize: config.intermediate_size,
    queryHeads: config.num_attention_heads,
    kvHeads: config.num_key_value_heads ?? config.num_attention_heads,
    headDim,
    vocabularySize: embedding.shape[0]!,
    normEpsilon: config.rms_norm_eps,
    ropeBase,
    ropeDims: headDim,
    ropeStyle: 'half',
    ropeScale,
    tiedEmbeddings: !tensors.some(({ role }) => role === 'output'),
  }
}
