/** A model in memory. */
import { callNative } from '../../../../native/node/native-error.ts'
import type { NativeModel } from '../native.ts'
import { ModelTokenizer } from '../tokenizer/model-tokenizer.ts'
import type { ModelConfig, ModelDescription } from './description.ts'

/** Weights, numbers and tokenizer of a model. Any number of engines may share one. */
export class LoadedModel implements Disposable {
  readonly description: ModelDescription
  /** Absent when the model came without one, as random weights do. */
  readonly tokenizer: ModelTokenizer | undefined
  readonly #native: NativeModel
  #disposed = false

  /** Models are made by `loadModel` and `randomModel`. */
  constructor(description: ModelDescription, native: NativeModel) {
    this.description = description
    this.#native = native
    this.tokenizer = description.tokenizer && new ModelTokenizer(description.tokenizer)
  }

  /** What the model calls itself. */
  get name(): string {
    return this.description.name
  }

  /** The model's numbers. */
  get config(): ModelConfig {
    return this.description.config
  }

  /** Bytes of weights in memory. */
  get bytes(): number {
    return this.#native.bytes
  }

  /** How matrices are kept. */
  get weights(): 'bfloat16' | 'float32' {
    return this.#native.weights
  }

  /** The addon's object, for runners. */
  get native(): NativeModel {
    return this.#native
  }

  /** Whether `dispose` was called. */
  get disposed(): boolean {
    return this.#disposed
  }

  /** Gives the weights back, once engines that still use them are disposed too. Idempotent. */
  dispose(): void {
    if (this.#disposed) return
    this.#disposed = true
    callNative(() => this.#native.dispose())
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}
