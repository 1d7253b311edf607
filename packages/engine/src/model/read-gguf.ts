/** Reads the description of a model from a GGUF file, or from the shards of one. */
import { stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

import {
  gguf,
  GGMLQuantizationType,
  parseGgufShardFilename,
  type GGUFParseOutput,
} from '@huggingface/gguf'

import { engineErrors } from '../errors.ts'
import type { WeightSource } from '../native.ts'
import { ggufTokenizer } from '../tokenizer/gguf-tokenizer.ts'
import {
  isStorageType,
  storageTypes,
  storedBytes,
  supportedArchitectures,
  type Architecture,
  type ModelConfig,
  type ModelDescription,
} from './description.ts'
import { GgufMetadata } from './gguf-metadata.ts'
import { ggufRole } from './gguf-tensors.ts'
import { summariseTensors } from './summary.ts'
import { Refusals } from './unsupported.ts'

/** One file of a model: its tensors lie at `dataOffset` + their own offset. */
interface Shard {
  readonly path: string
  readonly bytes: number
  readonly metadata: Readonly<Record<string, unknown>>
  readonly parsed: GGUFParseOutput
}

/**
 * Describes the model in `path`. Of a sharded model, `path` is any of its files.
 *
 * @throws `ERR_VATTENTION_MODEL_FILE` when it is no GGUF file or ends early.
 * @throws `ERR_VATTENTION_MODEL_UNSUPPORTED` with every reason.
 */
export async function readGguf(path: string): Promise<ModelDescription> {
  const shards = await readShards(path)
  const metadata = new GgufMetadata(path, shards[0]!.metadata)
  const refusals = new Refusals()

  const architecture = metadata.optionalString('general.architecture')
  // Everything else depends on the architecture's key names: nothing more can be said without it.
  if (!isArchitecture(architecture)) {
    refusals.add('architecture', architecture ?? 'none', supportedArchitectures.join(', '))
    refusals.throwIfAny(path)
    throw new Error('unreachable')
  }
  refuseFeatures(metadata, architecture, refusals)
  const tensors = shards.flatMap((shard) => locateTensors(shard, refusals))
  refusals.throwIfAny(path)

  const config = readConfig(metadata, architecture, tensors, path)
  return {
    format: 'gguf',
    path,
    name: metadata.optionalString('general.name') ?? basename(path, '.gguf'),
    architecture,
    config,
    contextLength: metadata.number(`${architecture}.context_length`),
    ...summariseTensors(tensors),
    tensors,
    tokenizer: ggufTokenizer(path, metadata),
  }
}

function isArchitecture(name: string | undefined): name is Architecture {
  // GGUF files of Mistral models say `llama`.
  return name !== 'mistral' && supportedArchitectures.includes(name as Architecture)
}

async function readShards(path: string): Promise<Shard[]> {
  const first = await readShard(path)
  const count = Number(first.metadata['split.count'] ?? 1)
  if (count <= 1) return [first]
  const name = parseGgufShardFilename(basename(path))
  if (!name) {
    throw engineErrors.modelFile(
      path,
      `one of ${count} shards, but its name does not end in -00001-of-0000${count}.gguf`,
    )
  }
  const shardPath = (index: number) =>
    join(
      dirname(path),
      `${name.prefix}-${String(index + 1).padStart(5, '0')}-of-${name.total}.gguf`,
    )
  return Promise.all(Array.from({ length: count }, (_, index) => readShard(shardPath(index))))
}

async function readShard(path: string): Promise<Shard> {
  try {
    const [{ size }, parsed] = await Promise.all([stat(path), gguf(path, { allowLocalFile: true })])
    return { path, bytes: size, parsed, metadata: { ...parsed.metadata } }
  } catch (cause) {
    const problem = (cause as NodeJS.ErrnoException).code === 'ENOENT' ? 'no such file' : undefined
    throw engineErrors.modelFile(path, problem ?? (cause as Error).message, { cause })
  }
}

/** What an architecture may have that the engine does not compute. */
function refuseFeatures(metadata: GgufMetadata, architecture: string, refusals: Refusals): void {
  const experts = metadata.optionalNumber(`${architecture}.expert_count`) ?? 0
  refusals.unless(experts === 0, 'expert_count', experts, '0 (dense models)')
  const scaling = metadata.optionalString(`${architecture}.rope.scaling.type`) ?? 'none'
  refusals.unless(
    ['none', 'linear', 'llama3'].includes(scaling),
    'rope.scaling.type',
    scaling,
    'none, linear or llama3',
  )
  const keyLength = metadata.optionalNumber(`${architecture}.attention.key_length`)
  const valueLength = metadata.optionalNumber(`${architecture}.attention.value_length`)
  refusals.unless(
    keyLength === valueLength,
    'attention.value_length',
    valueLength,
    `${keyLength} (as key_length)`,
  )
}

/** Finds role, place and type of every tensor, refusing what the engine cannot use. */
function locateTensors({ path, bytes, parsed }: Shard, refusals: Refusals): WeightSource[] {
  const found: WeightSource[] = []
  for (const tensor of parsed.tensorInfos) {
    const role = ggufRole(tensor.name)
    if (!role) {
      refusals.add('tensor', tensor.name, 'of the Llama family only')
      continue
    }
    const type = GGMLQuantizationType[tensor.dtype] ?? `type ${tensor.dtype}`
    if (!isStorageType(type)) {
      refusals.add('storage type', `${type} (${tensor.name})`, Object.keys(storageTypes).join(', '))
      continue
    }
    const source: WeightSource = {
      ...role,
      path,
      offset: Number(parsed.tensorDataOffset + tensor.offset),
      type,
      shape: tensor.shape.map(Number).reverse(),
    }
    const end = source.offset + storedBytes(source)
    if (end > bytes) {
      throw engineErrors.modelFile(
        path,
        `ends early: tensor ${tensor.name} needs ${end} bytes, the file has ${bytes}`,
      )
    }
    found.push(source)
  }
  return found
}

function readConfig(
  metadata: GgufMetadata,
  architecture: Architecture,
  tensors: readonly WeightSource[],
  path: string,
): ModelConfig {
  const number = (key: string) => metadata.number(`${architecture}.${key}`)
  const optional = (key: string) => metadata.optionalNumber(`${architecture}.${key}`)
  const embedding = tensors.find(({ role }) => role === 'embedding')
  if (!embedding) throw engineErrors.modelFile(path, 'has no tensor token_embd.weight')
  const hiddenSize = number('embedding_length')
  const queryHeads = number('attention.head_count')
  const headDim = optional('attention.key_length') ?? hiddenSize / queryHeads
  return {
    layers: number('block_count'),
    hiddenSize,
    feedForwardSize: number('feed_forward_length'),
    queryHeads,
    kvHeads: optional('attention.head_count_kv') ?? queryHeads,
    headDim,
    vocabularySize: embedding.shape[0]!,
    normEpsilon: number('attention.layer_norm_rms_epsilon'),
    ropeBase: optional('rope.freq_base') ?? 10_000,
    ropeDims: optional('rope.dimension_count') ?? headDim,
    // Converters permute the rows of Llama's query and key so that pairs lie side by side.
    ropeStyle: architecture === 'llama' ? 'interleaved' : 'half',
    ropeScale:
      metadata.optionalString(`${architecture}.rope.scaling.type`) === 'linear'
        ? (optional('rope.scaling.factor') ?? 1)
        : (optional('rope.scale_linear') ?? 1), // the key's name before 2024
    tiedEmbeddings: !tensors.some(({ role }) => role === 'output'),
  }
}
