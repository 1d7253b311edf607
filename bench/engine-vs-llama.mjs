// Tokens per second of this engine and of node-llama-cpp: same GGUF file, same threads, greedy, one
// process after the other. Needs built packages.
//
//   npm run build && node bench/engine-vs-llama.mjs [--threads 2] [--repeats 5] [--cache paged]
//
//   8 x (128, 128)   eight requests at once: 128 tokens in, 128 out; output tokens / whole time
//   1 x (128, 128)   one request; the same
//   prefill 1024     one prompt of 1024 tokens to its first token; prompt tokens / time
import {
  benchModel,
  importLlama,
  median,
  openVattention,
  option,
  runSide,
  sampleText,
  writeResult,
} from './engine-lib.mjs'

const threads = Number(option('threads', 2))
const repeats = Number(option('repeats', 5))
const kind = option('cache', 'contiguous')

const cases = [
  { name: '8 x (128, 128)', requests: 8, input: 128, output: 128, bar: 3.5 },
  { name: '1 x (128, 128)', requests: 1, input: 128, output: 128, bar: 1.1 },
  { name: 'prefill 1024', requests: 1, input: 1024, output: 1, bar: 3 },
]

/** Prompts that share no beginning: slices of one text, taken round. */
function prompts(tokens, { requests, input }) {
  return Array.from({ length: requests }, (_, i) =>
    Array.from({ length: input }, (_, j) => tokens[(i * 211 + j) % tokens.length]),
  )
}

/** Rates of each case: a warm-up, then the repeats. `serve` resolves once all output is there. */
async function measure(tokens, serve) {
  const rates = {}
  for (const work of cases) {
    const inputs = prompts(tokens, work)
    const counted = work.output > 1 ? work.requests * work.output : work.requests * work.input
    rates[work.name] = []
    for (let run = 0; run <= repeats; run++) {
      const start = performance.now()
      await serve(inputs, work.output)
      const seconds = (performance.now() - start) / 1000
      if (run > 0) rates[work.name].push(counted / seconds)
    }
  }
  return rates
}

const sides = {
  async vattention() {
    // Repeats must compute their prompts again.
    const { engine, model, close } = await openVattention({ kind, threads, prefixCaching: false })
    const tokens = model.tokenizer.encode(sampleText())
    const rates = await measure(tokens, async (inputs, maxTokens) => {
      const results = await Promise.all(
        inputs.map(
          (input) => engine.generate({ tokens: input, maxTokens, ignoreEos: true }).result,
        ),
      )
      for (const result of results) {
        if (result.tokens.length !== maxTokens) throw new Error('too few tokens')
      }
    })
    await close()
    return rates
  },

  async llama() {
    const { getLlama, LlamaLogLevel } = await importLlama()
    const llama = await getLlama({
      gpu: false,
      build: 'never',
      maxThreads: threads,
      logLevel: LlamaLogLevel.error,
    })
    const model = await llama.loadModel({ modelPath: benchModel() })
    const tokens = model.tokenize(sampleText())
    // The better of two batch sizes: 512, its default, and all of a prompt at once.
    const best = {}
    for (const batchSize of [512, 1024]) {
      const context = await model.createContext({
        sequences: 8,
        contextSize: 1280,
        batchSize,
        threads: { ideal: threads, min: threads },
      })
      const sequences = Array.from({ length: 8 }, () => context.getSequence())
      const rates = await measure(tokens, async (inputs, maxTokens) => {
        await Promise.all(
          inputs.map(async (input, i) => {
            const sequence = sequences[i]
            await sequence.clearHistory()
            let left = maxTokens
            const options = { temperature: 0, yieldEogToken: true }
            for await (const _ of sequence.evaluate(input, options)) if (--left === 0) return
            throw new Error('too few tokens')
          }),
        )
      })
      for (const [name, values] of Object.entries(rates)) {
        if (!best[name] || median(values) > median(best[name])) best[name] = values
      }
      await context.dispose()
    }
    await model.dispose()
    return best
  },
}

const side = option('side')
if (side) {
  console.log(JSON.stringify(await sides[side]()))
} else {
  const ours = runSide(import.meta.url, 'vattention', process.argv.slice(2))
  const theirs = runSide(import.meta.url, 'llama', process.argv.slice(2))
  const rows = cases.map(({ name, bar }) => {
    const [mine, other] = [median(ours[name]), median(theirs[name])]
    return { name, vattention: mine, llama: other, ratio: mine / other, bar }
  })
  console.log(`tokens/s, medians of ${repeats}, ${threads} threads\n`)
  const columns = ['case', 'vattention', 'node-llama-cpp', 'ratio', 'bar']
  const line = (cells) => cells.map((cell, i) => String(cell).padStart(i ? 15 : 16)).join('')
  console.log(line(columns))
  for (const { name, vattention, llama, ratio, bar } of rows) {
    const met = ratio >= bar ? '' : ' missed'
    const rate = (value) => value.toFixed(1)
    console.log(line([name, rate(vattention), rate(llama), ratio.toFixed(2), `${bar}${met}`]))
  }
  writeResult('engine-vs-llama', {
    cache: kind,
    threads,
    repeats,
    cases: rows,
    runs: { vattention: ours, llama: theirs },
  })
}
