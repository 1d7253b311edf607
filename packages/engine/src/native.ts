/**
 * The engine's native addon, described once: C++ is reached only through this file's types.
 * Everything here is already validated by the TypeScript above it.
 */

/** How the file stores a tensor: GGML's type names and safetensors' dtypes. */
export type StorageType =
  'F32' | 'F16' | 'BF16' | 'Q8_0' | 'Q4_0' | 'Q4_1' | 'Q5_0' | 'Q5_1' | 'Q4_K' | 'Q5_K' | 'Q6_K'

/** Which of a model's tensors it is. Matrices are `[outputs, inputs]`, row-major. */
export type WeightRole =
  | 'embedding' // [vocabulary, hidden]
  | 'outputNorm' // [hidden]
  | 'output' // [vocabulary, hidden]; absent when tied to the embedding
  | 'ropeFactors' // [ropeDims / 2]: divides each frequency (Llama 3.1)
  | 'attentionNorm' // [hidden]
  | 'query' // [queryHeads * headDim, hidden]
  | 'key'
  | 'value'
  | 'queryBias'
  | 'keyBias'
  | 'valueBias'
  | 'queryNorm' // [headDim] (Qwen3)
  | 'keyNorm'
  | 'attentionOutput' // [hidden, queryHeads * headDim]
  | 'feedForwardNorm'
  | 'gate' // [feedForward, hidden]
  | 'up'
  | 'down' // [hidden, feedForward]

/** One tensor in a file. */
export interface WeightSource {
  readonly role: WeightRole
  /** -1 for tensors of no layer. */
  readonly layer: number
  readonly path: string
  /** Bytes from the file's start. */
  readonly offset: number
  readonly type: StorageType
  /** Outermost first. */
  readonly shape: readonly number[]
}

/** The numbers of a Llama-family model. */
export interface NativeModelConfig {
  readonly layers: number
  readonly hiddenSize: number
  readonly feedForwardSize: number
  readonly queryHeads: number
  readonly kvHeads: number
  readonly headDim: number
  readonly vocabularySize: number
  readonly normEpsilon: number
  readonly ropeBase: number
  /** Leading elements of each head that are rotated. */
  readonly ropeDims: number
  /** `interleaved`: pairs (2i, 2i+1), as GGUF stores Llama. `half`: pairs (i, i + dims/2), as Hugging Face does. */
  readonly ropeStyle: 'interleaved' | 'half'
  /** Positions are divided by it. 1: none. */
  readonly ropeScale: number
  readonly tiedEmbeddings: boolean
  /** How matrices are kept: bf16 where the CPU multiplies it, else f32. `auto` decides. */
  readonly weights: 'auto' | 'bfloat16' | 'float32'
}

/** Weights in memory, shared by any number of runners. */
export interface NativeModel {
  /**
   * Reads, dequantises and packs one tensor off the JavaScript thread; several may be in flight.
   * Rejects with a typed error naming the tensor when the file ends early or the shape is wrong.
   */
  load(source: WeightSource): Promise<void>
  /**
   * Gives a tensor by value instead of from a file: rope factors that a config describes by formula.
   * The values are copied.
   */
  set(role: WeightRole, layer: number, values: Float32Array): void
  /** Random weights of the right shapes, seeded, for runs without a download. */
  fill(seed: number): Promise<void>
  /** Ends loading: which tensors are missing, empty when complete. */
  finish(): string[]
  /** Bytes of weights in memory. */
  readonly bytes: number
  /** How matrices ended up: `bfloat16` or `float32`. */
  readonly weights: 'bfloat16' | 'float32'
  dispose(): void
}

/** Limits of the passes a runner will be asked for. */
export interface NativeRunnerOptions {
  readonly model: NativeModel
  /** `KvCache.native`. */
  readonly cache: object
  /** `AttentionBackend.native`. */
  readonly backend: object
  readonly threads: number
  readonly maxSequences: number
  /** Rows of tokens in one pass. */
  readonly maxTokens: number
  readonly maxLength: number
  /** Attention; see AttentionConfig. 0: none. */
  readonly window: number
  readonly softCap: number
}

/**
 * One forward pass. Rows of all sequences are concatenated; row r of sequence i has position
 * `kvLengths[i] - queryLengths[i] + r`.
 */
export interface ForwardBatch {
  readonly sequences: Uint32Array
  readonly queryLengths: Uint32Array
  readonly kvLengths: Uint32Array
  /** `[sum of queryLengths]` */
  readonly tokens: Int32Array
  /** Rows whose next token is wanted, ascending. */
  readonly logitRows: Uint32Array
  /** One per logit row. */
  readonly sampling: readonly RowSampling[]
}

/** How one row's next token is drawn. Greedy when `temperature` is 0. */
export interface RowSampling {
  readonly temperature: number
  /** 0: all. */
  readonly topK: number
  /** 1: all. */
  readonly topP: number
  /** 0: all. */
  readonly minP: number
  readonly repetitionPenalty: number
  readonly presencePenalty: number
  readonly frequencyPenalty: number
  /** Counter-based generator: the same seed and step draw the same token whatever the batch. */
  readonly seed: number
  readonly step: number
  /** The sequence's tokens so far, which the penalties look at; empty without penalties. */
  readonly history: Uint32Array
  /**
   * How many of `history`, from its start, are the prompt. The repetition penalty looks at all of
   * it, presence and frequency penalties only at what follows.
   */
  readonly historyPrompt: number
  /** Most likely tokens to report; 0: none; the chosen token's own logprob is always reported. */
  readonly topLogprobs: number
  /** Added to the logits of single tokens before anything else; token id and bias. */
  readonly biasTokens: Uint32Array
  readonly biases: Float32Array
}

/** What a forward pass gives back, in the order of `logitRows`. */
export interface ForwardResult {
  readonly tokens: Int32Array
  /** Natural log of the chosen token's probability under the unmodified logits. */
  readonly logprobs: Float32Array
  /** Difference between the two largest logits: how close a greedy choice was. */
  readonly margins: Float32Array
  /** Per row with `topLogprobs` > 0, else empty. */
  readonly top: readonly { readonly tokens: Int32Array; readonly logprobs: Float32Array }[]
  readonly timings: {
    readonly totalNs: number
    readonly attentionNs: number
    readonly matmulNs: number
    readonly samplingNs: number
  }
}

/** A model over one cache and one backend. */
export interface NativeRunner {
  /**
   * Runs on the runner's own native thread: `step` must have backed `kvLengths`. One pass at a time;
   * a second call before the first resolves is refused. The cache's pages are fenced while it runs.
   */
  forward(batch: ForwardBatch): Promise<ForwardResult>
  /** Bytes of activations and workspaces. */
  readonly workspaceBytes: number
  /** Waits for a pass in flight; idempotent. */
  dispose(): void
}

/** The whole addon. */
export interface EngineAddon {
  probe(): {
    /** Whether bf16 matrix products are faster than f32 on this CPU. */
    readonly bfloat16: boolean
    readonly isa: string
    readonly oneDnn: string
    /** Cores this process may use. */
    readonly cores: number
  }
  createModel(config: NativeModelConfig): NativeModel
  createRunner(options: NativeRunnerOptions): NativeRunner
  /** Sequential read bandwidth of this machine in bytes per second, measured with `threads`. */
  measureReadBandwidth(bytes: number, threads: number): Promise<number>
}
