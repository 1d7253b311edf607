import { Engine, type ForwardRunner } from '@vattention/engine'

import { openNamedCache, type ServedModel } from '../../../src/suites/serve/served-model.ts'
import type { VirtualClock } from './virtual-clock.ts'

export interface CountingModelOptions {
  readonly clock: VirtualClock
  /** Names of caches over which the model answers wrongly. */
  readonly wrongOver?: readonly string[]
  /** Logits between the best two, of every token. Defaults to `1`. */
  readonly margin?: number
  /** Called before each pass. */
  readonly onPass?: () => void
}

const shape = { layers: 1, kvHeads: 1, headDim: 64, valueHeadDim: 64, dtype: 'float16' } as const

const vocabularySize = 4096

/** What follows a token at a position. */
export const nextToken = (token: number, position: number): number =>
  (token * 31 + position) % vocabularySize

/**
 * A model without weights over real caches: the next token is that before it and its position in one
 * number. A pass takes 10 ms and 1 ms for each token, by the clock.
 */
export function countingModel({
  clock,
  wrongOver = [],
  margin = 1,
  onPass,
}: CountingModelOptions): ServedModel {
  const runnerOf = (wrong: boolean): ForwardRunner => ({
    workspaceBytes: 0,
    async forward({ queryLengths, kvLengths, tokens, logitRows, sampling }) {
      onPass?.()
      await clock.sleep(10 + tokens.length)
      const drawn: number[] = []
      let row = 0
      for (const [i, queryLength] of queryLengths.entries()) {
        for (let q = 0; q < queryLength; q++, row++) {
          if (logitRows[drawn.length] !== row) continue
          const position = kvLengths[i]! - queryLength + q
          drawn.push(nextToken(tokens[row]!, position + (wrong ? 1 : 0)))
        }
      }
      return {
        tokens: Int32Array.from(drawn),
        logprobs: Float32Array.from(drawn, () => -1),
        margins: Float32Array.from(drawn, () => margin),
        top: sampling.map(({ topLogprobs }) => ({
          tokens: new Int32Array(topLogprobs),
          logprobs: new Float32Array(topLogprobs),
        })),
        timings: { totalNs: 0, attentionNs: 0, matmulNs: 0, samplingNs: 0 },
      }
    },
    dispose: () => undefined,
  })
  return {
    name: 'counting model',
    weights: 'none',
    vocabularySize,
    contextLength: 2048,
    tokenBytes: 256,
    sequenceBytes: () => 2 ** 18,
    open({ cache: named, prefixSharing }, { limitBytes, maxSequences, maxLength, onEvent }) {
      const cache = openNamedCache(named, { ...shape, maxSequences, maxLength }, limitBytes)
      const engine = new Engine({
        runner: runnerOf(wrongOver.includes(named.name)),
        cache,
        name: 'counting model',
        contextLength: 2048,
        vocabularySize,
        maxSequences,
        prefixCaching: prefixSharing,
        ...(onEvent && { onEvent }),
      })
      const close = async () => {
        await engine.dispose()
        cache[Symbol.dispose]()
      }
      return Promise.resolve({ engine, cache, [Symbol.asyncDispose]: close })
    },
    close: () => undefined,
  }
}
