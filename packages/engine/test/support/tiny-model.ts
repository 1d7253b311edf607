/** Tiny models with seeded random weights, written as GGUF and as a Hugging Face folder. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { byteTokenizerSource } from './byte-tokenizer.ts'
import { writeGguf, type GgufTensor, type GgufValue } from './gguf-writer.ts'
import { random } from './random.ts'
import { writeSafetensors, type SafetensorsTensor } from './safetensors-writer.ts'

/** What kind of model. */
export interface TinyModelOptions {
  /** Defaults to `llama`. */
  readonly architecture?: 'llama' | 'qwen2' | 'qwen3'
  /** Defaults to `1`. */
  readonly seed?: number
  /** Defaults to `true`. */
  readonly tied?: boolean
  /** Entries put over those of config.json. */
  readonly config?: Readonly<Record<string, unknown>>
  /** Entries put over those of the GGUF file. */
  readonly metadata?: Readonly<Record<string, GgufValue>>
  /** Tensors put into the GGUF file besides. */
  readonly extraTensors?: readonly GgufTensor[]
}

const numbers = {
  layers: 2,
  hiddenSize: 128,
  feedForwardSize: 192,
  queryHeads: 4,
  kvHeads: 2,
  headDim: 64,
  vocabularySize: 257,
  contextLength: 512,
}

/** A folder that `dispose` removes. */
export function temporaryFolder(): { path: string; dispose: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'vattention-test-'))
  return { path, dispose: () => rmSync(path, { recursive: true, force: true }) }
}

/** A tensor by its Hugging Face name. */
interface Weight {
  readonly name: string
  readonly shape: readonly number[]
  readonly data: Float32Array
}

function weights({ architecture = 'llama', seed = 1, tied = true }: TinyModelOptions): Weight[] {
  const { hiddenSize, feedForwardSize, queryHeads, kvHeads, headDim, vocabularySize } = numbers
  const next = random(seed)
  const normal = () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next())
  const found: Weight[] = []
  const add = (name: string, shape: number[], scale: number, mean = 0) => {
    const size = shape.reduce((product, extent) => product * extent, 1)
    found.push({
      name,
      shape,
      data: Float32Array.from({ length: size }, () => mean + scale * normal()),
    })
  }
  // Small beside what the layers add, or tied models would repeat their input.
  add('model.embed_tokens.weight', [vocabularySize, hiddenSize], 0.3)
  for (let layer = 0; layer < numbers.layers; layer++) {
    const name = (part: string) => `model.layers.${layer}.${part}`
    const matrix = (part: string, rows: number, columns: number) =>
      add(name(`${part}.weight`), [rows, columns], 2 / Math.sqrt(columns))
    add(name('input_layernorm.weight'), [hiddenSize], 0.1, 1)
    matrix('self_attn.q_proj', queryHeads * headDim, hiddenSize)
    matrix('self_attn.k_proj', kvHeads * headDim, hiddenSize)
    matrix('self_attn.v_proj', kvHeads * headDim, hiddenSize)
    if (architecture === 'qwen2') {
      add(name('self_attn.q_proj.bias'), [queryHeads * headDim], 0.5)
      add(name('self_attn.k_proj.bias'), [kvHeads * headDim], 0.5)
      add(name('self_attn.v_proj.bias'), [kvHeads * headDim], 0.5)
    }
    if (architecture === 'qwen3') {
      add(name('self_attn.q_norm.weight'), [headDim], 0.3, 1)
      add(name('self_attn.k_norm.weight'), [headDim], 0.3, 1)
    }
    matrix('self_attn.o_proj', hiddenSize, queryHeads * headDim)
    add(name('post_attention_layernorm.weight'), [hiddenSize], 0.1, 1)
    matrix('mlp.gate_proj', feedForwardSize, hiddenSize)
    matrix('mlp.up_proj', feedForwardSize, hiddenSize)
    matrix('mlp.down_proj', hiddenSize, feedForwardSize)
  }
  add('model.norm.weight', [hiddenSize], 0.1, 1)
  if (!tied) add('lm_head.weight', [vocabularySize, hiddenSize], 1)
  return found
}

const ggufNames: readonly (readonly [string, string])[] = [
  ['model.embed_tokens', 'token_embd'],
  ['model.norm', 'output_norm'],
  ['lm_head', 'output'],
  ['model.layers.', 'blk.'],
  ['input_layernorm', 'attn_norm'],
  ['self_attn.q_proj', 'attn_q'],
  ['self_attn.k_proj', 'attn_k'],
  ['self_attn.v_proj', 'attn_v'],
  ['self_attn.q_norm', 'attn_q_norm'],
  ['self_attn.k_norm', 'attn_k_norm'],
  ['self_attn.o_proj', 'attn_output'],
  ['post_attention_layernorm', 'ffn_norm'],
  ['mlp.gate_proj', 'ffn_gate'],
  ['mlp.up_proj', 'ffn_up'],
  ['mlp.down_proj', 'ffn_down'],
]

/** As converters do for Llama: the rotated pairs (i, i + dims/2) of each head come side by side. */
function permuteRows({ shape, data }: Weight): Float32Array {
  const [rows, columns] = shape as [number, number]
  const { headDim } = numbers
  const out = new Float32Array(data.length)
  for (let row = 0; row < rows; row++) {
    const head = Math.floor(row / headDim)
    const within = row % headDim
    const source = head * headDim + (within % 2) * (headDim / 2) + Math.floor(within / 2)
    out.set(data.subarray(source * columns, (source + 1) * columns), row * columns)
  }
  return out
}

/** Writes the model as a GGUF file and returns its path. */
export function writeTinyGguf(folder: string, options: TinyModelOptions = {}): string {
  const { architecture = 'llama', metadata, extraTensors = [] } = options
  const path = join(folder, `tiny-${architecture}.gguf`)
  const { definition, chatTemplate } = byteTokenizerSource()
  // By id: an object's keys that look like numbers come first.
  const tokens = Object.entries(definition.model.vocab)
    .sort(([, a], [, b]) => a - b)
    .map(([token]) => token)
  const tensors = weights(options).map((weight): GgufTensor => {
    let name = weight.name
    for (const [from, to] of ggufNames) name = name.replace(from, to)
    const permuted = architecture === 'llama' && /attn_[qk]\.weight$/.test(name)
    return { name, shape: weight.shape, data: permuted ? permuteRows(weight) : weight.data }
  })
  const arch = (key: string) => `${architecture}.${key}`
  writeGguf(
    path,
    {
      'general.architecture': architecture,
      'general.name': `tiny ${architecture}`,
      [arch('block_count')]: numbers.layers,
      [arch('context_length')]: numbers.contextLength,
      [arch('embedding_length')]: numbers.hiddenSize,
      [arch('feed_forward_length')]: numbers.feedForwardSize,
      [arch('attention.head_count')]: numbers.queryHeads,
      [arch('attention.head_count_kv')]: numbers.kvHeads,
      [arch('attention.key_length')]: numbers.headDim,
      [arch('attention.value_length')]: numbers.headDim,
      [arch('attention.layer_norm_rms_epsilon')]: 1e-5,
      [arch('rope.freq_base')]: 10_000.5,
      'tokenizer.ggml.model': 'gpt2',
      'tokenizer.ggml.pre': 'gpt-2',
      'tokenizer.ggml.tokens': tokens,
      'tokenizer.ggml.token_type': tokens.map((token) => (token === '<end>' ? 3 : 1)),
      // Merges cannot be absent; this one joins nothing that a byte vocabulary has.
      'tokenizer.ggml.merges': ['<end> <end>'],
      'tokenizer.ggml.eos_token_id': 256,
      'tokenizer.chat_template': chatTemplate!,
      ...metadata,
    },
    [...tensors, ...extraTensors],
  )
  return path
}

/** Writes the model as a Hugging Face folder and returns its path. */
export function writeTinyFolder(folder: string, options: TinyModelOptions = {}): string {
  const { architecture = 'llama', config, tied = true } = options
  const path = join(folder, `tiny-${architecture}`)
  mkdirSync(path, { recursive: true })
  const { definition, chatTemplate } = byteTokenizerSource()
  const write = (name: string, content: unknown) =>
    writeFileSync(join(path, name), JSON.stringify(content))
  write('config.json', {
    model_type: architecture,
    hidden_act: 'silu',
    num_hidden_layers: numbers.layers,
    hidden_size: numbers.hiddenSize,
    intermediate_size: numbers.feedForwardSize,
    num_attention_heads: numbers.queryHeads,
    num_key_value_heads: numbers.kvHeads,
    head_dim: numbers.headDim,
    rms_norm_eps: 1e-5,
    rope_theta: 10_000.5,
    max_position_embeddings: numbers.contextLength,
    tie_word_embeddings: tied,
    eos_token_id: 256,
    ...config,
  })
  write('tokenizer.json', definition)
  write('tokenizer_config.json', { eos_token: '<end>', chat_template: chatTemplate })
  const tensors: readonly SafetensorsTensor[] = weights(options)
  const half = Math.ceil(tensors.length / 2)
  const shards = [tensors.slice(0, half), tensors.slice(half)]
  const map: Record<string, string> = {}
  for (const [i, shard] of shards.entries()) {
    const name = `model-0000${i + 1}-of-00002.safetensors`
    writeSafetensors(join(path, name), shard)
    for (const tensor of shard) map[tensor.name] = name
  }
  write('model.safetensors.index.json', { metadata: {}, weight_map: map })
  return path
}
