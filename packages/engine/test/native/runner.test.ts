import { describe, expect, it } from 'vitest'

import { engineAddon } from '../../src/addon.ts'
import type { ForwardResult, NativeRunner } from '../../src/native.ts'
import {
  allocate,
  batchOf,
  cpuBackend,
  makeRunner,
  randomNativeModel,
  run,
  smallCache,
} from './native-parts.ts'

const prompt = (length: number, seed = 1) =>
  Array.from({ length }, (_, i) => (i * 37 + seed * 101) % 200)

const code = (value: string) => expect.objectContaining({ code: value }) as Error

describe('forward', () => {
  for (const kind of ['contiguous', 'paged'] as const) {
    it(`gives token, logprob and margin of every logit row over a ${kind} cache`, async () => {
      const model = await randomNativeModel()
      const cache = smallCache(kind)
      const runner = makeRunner(model, cache)
      const pieces = [5, 1, 40].map((length, i) => ({
        sequence: allocate(cache),
        tokens: prompt(length, i),
        length,
      }))
      const result = await run(cache, runner, pieces, { topLogprobs: 200 })
      expect(result.tokens).toHaveLength(3)
      result.top.forEach(({ tokens, logprobs }, row) => {
        expect([...tokens].sort((a, b) => a - b)).toEqual(Array.from({ length: 200 }, (_, i) => i))
        expect(tokens[0]).toBe(result.tokens[row])
        expect(logprobs[0]).toBe(result.logprobs[row])
        expect(logprobs[0]! - logprobs[1]!).toBeCloseTo(result.margins[row]!, 5)
        expect(logprobs.reduce((sum, x) => sum + Math.exp(x), 0)).toBeCloseTo(1, 4)
      })
      const { totalNs, attentionNs, matmulNs, samplingNs } = result.timings
      expect(attentionNs).toBeGreaterThan(0)
      expect(matmulNs).toBeGreaterThan(0)
      expect(totalNs).toBeGreaterThanOrEqual(attentionNs + matmulNs + samplingNs)
    })
  }

  it('gives the same bits from any batch, any chunks, either cache and after recomputing', async () => {
    const model = await randomNativeModel()
    const tokens = prompt(50)
    const outcomes: unknown[] = []
    const keep = (result: ForwardResult, row: number) => {
      outcomes.push([result.tokens[row], result.logprobs[row], result.margins[row]])
    }
    for (const kind of ['contiguous', 'paged'] as const) {
      const cache = smallCache(kind)
      const runner = makeRunner(model, cache)
      const whole = allocate(cache)
      keep(await run(cache, runner, [{ sequence: whole, tokens, length: 50 }]), 0)
      cache.free(whole)
      const mates = [7, 20].map((length, i) => ({
        sequence: allocate(cache),
        tokens: prompt(length, i + 5),
        length,
      }))
      const chunked = allocate(cache)
      let done = 0
      let result: ForwardResult | undefined
      for (const chunk of [17, 1, 31, 1]) {
        const piece = {
          sequence: chunked,
          tokens: tokens.slice(done, done + chunk),
          length: (done += chunk),
        }
        result = await run(cache, runner, [mates[0]!, piece, mates[1]!])
      }
      keep(result!, 1)
      cache.free(chunked)
      const again = allocate(cache)
      keep(await run(cache, runner, [{ sequence: again, tokens, length: 50 }]), 0)
    }
    expect(new Set(outcomes.map((outcome) => JSON.stringify(outcome)))).toHaveLength(1)
  })

  it('draws by seed and step, whatever the batch', async () => {
    const model = await randomNativeModel()
    const cache = smallCache('contiguous')
    const runner = makeRunner(model, cache)
    const piece = (i: number) => ({ sequence: allocate(cache), tokens: prompt(9, i), length: 9 })
    const [a, b, c] = [piece(1), piece(1), piece(2)]
    const sampling = { temperature: 2, seed: 77, step: 3 }
    const alone = await run(cache, runner, [a], sampling)
    const together = await run(cache, runner, [c, b], sampling)
    expect(together.tokens[1]).toBe(alone.tokens[0])
    const steps = new Set<number>()
    for (let step = 0; step < 20; step++) {
      steps.add((await run(cache, runner, [a], { ...sampling, step })).tokens[0]!)
    }
    expect(steps.size).toBeGreaterThan(5)
  })

  it('applies biases and penalties to the choice and not to logprobs', async () => {
    const model = await randomNativeModel()
    const cache = smallCache('paged')
    const runner = makeRunner(model, cache)
    const piece = { sequence: allocate(cache), tokens: prompt(9), length: 9 }
    const plain = await run(cache, runner, [piece], { topLogprobs: 3 })
    const [first, second, third] = plain.top[0]!.tokens
    const biased = await run(cache, runner, [piece], {
      biasTokens: Uint32Array.of(third!),
      biases: Float32Array.of(50),
    })
    expect(biased.tokens[0]).toBe(third)
    expect(biased.logprobs[0]).toBe(plain.top[0]!.logprobs[2])
    const penalised = await run(cache, runner, [piece], {
      presencePenalty: 40,
      history: Uint32Array.of(second!, first!),
      historyPrompt: 1,
    })
    expect(penalised.tokens[0]).toBe(second)
  })

  it('rejects what the batch gets wrong and goes on', async () => {
    const model = await randomNativeModel()
    const cache = smallCache('contiguous')
    const runner = makeRunner(model, cache)
    const sequence = allocate(cache)
    const good = batchOf([{ sequence, tokens: prompt(9), length: 9 }])
    cache.step(good.sequences, good.kvLengths)
    const invalid = 'ERR_VATTENTION_INVALID_ARGUMENT'
    for (const [change, expected] of [
      [{ tokens: Int32Array.from(prompt(9), (token, i) => (i === 3 ? 200 : token)) }, invalid],
      [{ kvLengths: Uint32Array.of(8) }, invalid],
      [{ logitRows: Uint32Array.of(9) }, invalid],
      [{ queryLengths: Uint32Array.of(8) }, invalid],
      [{ sequences: Uint32Array.of(0) }, 'ERR_VATTENTION_STALE_SEQUENCE'],
      [{ kvLengths: Uint32Array.of(250) }, 'ERR_VATTENTION_INVALID_BATCH'],
    ] as const) {
      await expect(runner.forward({ ...good, ...change })).rejects.toThrow(code(expected))
    }
    expect((await runner.forward(good)).tokens).toHaveLength(1)
    cache.free(sequence)
    await expect(runner.forward(good)).rejects.toThrow(code('ERR_VATTENTION_STALE_SEQUENCE'))
  })

  it('runs one pass at a time', async () => {
    const model = await randomNativeModel()
    const cache = smallCache('contiguous')
    const runner = makeRunner(model, cache)
    const piece = { sequence: allocate(cache), tokens: prompt(99), length: 99 }
    const first = run(cache, runner, [piece])
    await expect(run(cache, runner, [piece])).rejects.toThrow(code('ERR_VATTENTION_BUSY'))
    expect((await first).tokens).toHaveLength(1)
    expect((await run(cache, runner, [piece])).tokens).toHaveLength(1)
  })

  it('copies what it is given before it returns', async () => {
    const model = await randomNativeModel()
    const cache = smallCache('contiguous')
    const runner = makeRunner(model, cache)
    const batch = batchOf([{ sequence: allocate(cache), tokens: prompt(60), length: 60 }])
    cache.step(batch.sequences, batch.kvLengths)
    const expected = await runner.forward(batch)
    const promise = runner.forward(batch)
    batch.tokens.fill(0)
    batch.sequences.fill(0)
    expect((await promise).logprobs).toEqual(expected.logprobs)
  })

  it('fences pages that a pass may read', async () => {
    const model = await randomNativeModel()
    const cache = smallCache('contiguous')
    const runner = makeRunner(model, cache)
    const sequence = allocate(cache)
    const pass = run(cache, runner, [{ sequence, tokens: prompt(120), length: 120 }])
    cache.free(sequence) // while the pass reads and writes it
    const other = allocate(cache)
    cache.step(Uint32Array.of(other), Uint32Array.of(200))
    const { logprobs } = await pass
    const again = allocate(cache)
    const expected = await run(cache, runner, [
      { sequence: again, tokens: prompt(120), length: 120 },
    ])
    expect(logprobs).toEqual(expected.logprobs)
    expect(cache.stats().condemnedBytes).toBe(0)
  })
})

describe('createRunner', () => {
  it('refuses externals of the wrong kind', async () => {
    const model = await randomNativeModel()
    const cache = smallCache('contiguous')
    const wrong = (options: object) => () => makeRunner(model, cache, options)
    const invalid = code('ERR_VATTENTION_INVALID_ARGUMENT')
    expect(wrong({ cache: cpuBackend().native })).toThrow(invalid)
    expect(wrong({ backend: cache.native })).toThrow(invalid)
    expect(wrong({ cache: {} })).toThrow(invalid)
    expect(wrong({ model: {} })).toThrow(invalid)
    expect(wrong({ threads: 0 })).toThrow(invalid)
    expect(wrong({ maxTokens: 0 })).toThrow(invalid)
  })

  it('refuses a cache of another shape and an incomplete or disposed model', async () => {
    const model = await randomNativeModel()
    expect(() => makeRunner(model, smallCache('paged', { layers: 3 }))).toThrow(
      'The cache does not fit the model: expected layers 2, received 3.',
    )
    const cache = smallCache('paged')
    const other = await randomNativeModel()
    other.dispose()
    expect(() => makeRunner(other, cache)).toThrow(code('ERR_VATTENTION_DISPOSED'))
  })

  it('says how much it needs', async () => {
    const model = await randomNativeModel()
    const cache = smallCache('contiguous')
    const small = makeRunner(model, cache, { maxTokens: 32 })
    const large = makeRunner(model, cache, { maxTokens: 256 })
    expect(small.workspaceBytes).toBeGreaterThan(0)
    expect(large.workspaceBytes).toBeGreaterThan(small.workspaceBytes)
  })
})

describe('dispose', () => {
  const disposed = code('ERR_VATTENTION_DISPOSED')

  it('lets the pass in flight end and refuses others', async () => {
    const model = await randomNativeModel()
    const cache = smallCache('contiguous')
    const runner = makeRunner(model, cache)
    const piece = { sequence: allocate(cache), tokens: prompt(99), length: 99 }
    const pass = run(cache, runner, [piece])
    runner.dispose()
    runner.dispose()
    await expect(runner.forward(batchOf([piece]))).rejects.toThrow(/in flight|disposed/)
    expect((await pass).tokens).toHaveLength(1)
    await expect(runner.forward(batchOf([piece]))).rejects.toThrow(disposed)
    expect(runner.workspaceBytes).toBe(0)
  })

  it('works in any order with model and cache', async () => {
    const model = await randomNativeModel()
    const cache = smallCache('contiguous')
    const runner = makeRunner(model, cache)
    const piece = { sequence: allocate(cache), tokens: prompt(9), length: 9 }
    await run(cache, runner, [piece])
    model.dispose() // the runner keeps the weights
    expect((await runner.forward(batchOf([piece]))).tokens).toHaveLength(1)
    cache[Symbol.dispose]()
    await expect(runner.forward(batchOf([piece]))).rejects.toThrow(disposed)
    runner.dispose()
  })

  it('comes with garbage collection too', async () => {
    const model = await randomNativeModel()
    const cache = smallCache('contiguous')
    for (let i = 0; i < 20; i++) {
      const runner: NativeRunner = engineAddon().createRunner({
        ...{ model, cache: cache.native!, backend: cpuBackend().native, threads: 1 },
        ...{ maxSequences: 1, maxTokens: 64, maxLength: 64, window: 0, softCap: 0 },
      })
      const sequence = allocate(cache)
      // Nobody keeps the runner: the pass in flight does.
      expect(
        (await run(cache, runner, [{ sequence, tokens: prompt(64), length: 64 }])).tokens,
      ).toHaveLength(1)
      cache.free(sequence)
    }
  })
})
