/**
 * A model runner of one's own: the forward pass of a Llama in TypeScript, over any cache and any
 * backend that computes on the CPU, native or not. The engine schedules and calls `forward`.
 */
import {
  attentionConfig,
  type ForwardBatch,
  type ForwardResult,
  type ForwardRunner,
  type ModelDescription,
} from '@vattention/engine'
import { hostTensor, read, write } from '@vattention/core'
import {
  slice,
  type AttentionBackend,
  type AttentionPlan,
  type KvCache,
} from '@vattention/interface'

import { chooseGreedy } from './greedy.ts'
import { addTo, gated, multiply, normalise, rotate, rowsOf } from './math.ts'
import type { Weights } from './weights.ts'

/** What a runner is made of. */
export interface OwnRunnerParts {
  readonly description: ModelDescription
  readonly weights: Weights
  readonly cache: KvCache
  readonly backend: AttentionBackend
  /** Most tokens of a pass. */
  readonly maxBatchTokens: number
}

/** Greedy only. It blocks the JavaScript thread while it computes. */
export class OwnRunner implements ForwardRunner {
  readonly #parts: OwnRunnerParts
  readonly #plan: AttentionPlan
  /** What the backend reads and writes, allocated once: `[token, head, dim]`. */
  readonly #tensors

  constructor(parts: OwnRunnerParts) {
    const { description, cache, backend, maxBatchTokens } = parts
    const { queryHeads, kvHeads, headDim } = description.config
    const { maxSequences, maxLength } = cache.shape
    this.#parts = parts
    this.#plan = backend.createPlan(attentionConfig({ description }, cache), {
      maxSequences,
      maxTokens: maxBatchTokens,
      maxLength,
    })
    const heads = (count: number) => hostTensor('float32', [maxBatchTokens, count, headDim])
    this.#tensors = {
      query: heads(queryHeads),
      key: heads(kvHeads),
      value: heads(kvHeads),
      output: heads(queryHeads),
    }
  }

  get workspaceBytes(): number {
    return this.#plan.workspaceBytes
  }

  async forward(batch: ForwardBatch): Promise<ForwardResult> {
    const { description, weights, cache } = this.#parts
    const { config } = description
    const { hiddenSize, normEpsilon } = config
    checkGreedy(batch)
    // Everything about the pass that no layer changes.
    this.#plan.prepare({ cache, ...batch })
    const positions = positionsOf(batch)

    const x = rowsOf(weights.embedding, batch.tokens, hiddenSize)
    for (const [layer, w] of weights.layers.entries()) {
      const input = normalise(x, w.attentionNorm, normEpsilon)
      const query = multiply(w.query, input, hiddenSize)
      const key = multiply(w.key, input, hiddenSize)
      const value = multiply(w.value, input, hiddenSize)
      rotate(query, positions, config)
      rotate(key, positions, config)
      const attended = this.#attend(layer, positions.length, { query, key, value })
      addTo(x, multiply(w.attentionOutput, attended, config.queryHeads * config.headDim))

      const middle = normalise(x, w.feedForwardNorm, normEpsilon)
      const gate = multiply(w.gate, middle, hiddenSize)
      const up = multiply(w.up, middle, hiddenSize)
      addTo(x, multiply(w.down, gated(gate, up), config.feedForwardSize))
    }

    const last = rowsOf(x, batch.logitRows, hiddenSize)
    const logits = multiply(
      weights.output,
      normalise(last, weights.outputNorm, normEpsilon),
      hiddenSize,
    )
    const choices = Array.from(batch.logitRows, (_, i) =>
      chooseGreedy(logits.subarray(i * config.vocabularySize, (i + 1) * config.vocabularySize)),
    )
    return {
      tokens: Int32Array.from(choices, ({ token }) => token),
      logprobs: Float32Array.from(choices, ({ logprob }) => logprob),
      margins: Float32Array.from(choices, ({ margin }) => margin),
      top: choices.map(() => ({ tokens: new Int32Array(), logprobs: new Float32Array() })),
      timings: { totalNs: 0, attentionNs: 0, matmulNs: 0, samplingNs: 0 }, // not measured
    }
  }

  dispose(): void {
    this.#plan[Symbol.dispose]()
    for (const tensor of Object.values(this.#tensors)) tensor[Symbol.dispose]()
  }

  /** One layer: the backend writes the new keys and values into the cache, and attends. */
  #attend(
    layer: number,
    tokens: number,
    rows: {
      readonly query: Float32Array
      readonly key: Float32Array
      readonly value: Float32Array
    },
  ): Float32Array {
    const part = (name: keyof typeof rows | 'output') => slice(this.#tensors[name], 0, tokens)
    const [query, key, value, output] = [part('query'), part('key'), part('value'), part('output')]
    write(query, rows.query)
    write(key, rows.key)
    write(value, rows.value)
    this.#plan.run({ layer, query, key, value, output })
    return read(output) as Float32Array
  }
}

/** Where in its sequence each row of the pass is. */
function positionsOf({ queryLengths, kvLengths }: ForwardBatch): number[] {
  return Array.from(queryLengths, (count, i) =>
    Array.from({ length: count }, (_, q) => kvLengths[i]! - count + q),
  ).flat()
}

/** What was asked for and is not done must not be ignored. */
function checkGreedy({ sampling }: ForwardBatch): void {
  for (const row of sampling) {
    const plain =
      row.temperature === 0 &&
      row.repetitionPenalty === 1 &&
      row.presencePenalty === 0 &&
      row.frequencyPenalty === 0 &&
      row.biasTokens.length === 0 &&
      row.topLogprobs === 0
    if (!plain)
      throw new TypeError("this example's runner takes the most likely token and no options")
  }
}
