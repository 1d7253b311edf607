// llama.cpp through node-llama-cpp, on the CPU: answers and times what a bench asks for.
//
//   node llama_engine.mjs <path of node-llama-cpp's entry> <threads>
//
//   {"op": "load", "model": "/path/model.gguf", "sequences": 8, "tokens": 1280, "batchSize": 512}
//   {"op": "tokenize", "text": "control tokens are written out"}
//   {"op": "generate", "prompt": [1, 2, 3], "count": 24}
//   {"op": "serve", "prompts": [[1, 2, 3]], "count": 128}
import { pathToFileURL } from 'node:url'

import { say, serveLines } from './serve-lines.mjs'

const [entry, threadsText] = process.argv.slice(2)
const threads = Number(threadsText)

let library
let llama
try {
  library = await import(pathToFileURL(entry).href)
  llama = await library.getLlama({
    gpu: false,
    build: 'never',
    maxThreads: threads,
    logLevel: library.LlamaLogLevel.error,
  })
} catch (error) {
  say({ unavailable: `node-llama-cpp cannot be loaded: ${error.message.split('\n')[0]}` })
  process.exit(0)
}

let model
let context
let slots = []

/** So many tokens after a prompt, greedy, past the end of the sequence. */
async function generate(slot, prompt, count) {
  await slot.clearHistory()
  let left = count
  const options = { temperature: 0, yieldEogToken: true }
  for await (const _ of slot.evaluate(prompt, options)) if (--left === 0) return
  throw new Error(`it ended after ${count - left} of ${count} tokens`)
}

/** A greedy answer up to its end, and how far the best two logits were apart at each token. */
async function answer(slot, prompt, count) {
  await slot.clearHistory()
  const generateNext = {
    token: true,
    logits: { filter: { tokens: [], includeTop: 2 } },
    options: { temperature: 0 },
  }
  const tokens = []
  const margins = []
  let input = prompt
  while (tokens.length < count) {
    const last = input.at(-1)
    const request = [...input.slice(0, -1), [last, { generateNext }]]
    const { next } = (await slot.controlledEvaluate(request)).at(-1)
    const [first, second] = [...next.logits.values()].sort((a, b) => b - a)
    tokens.push(next.token)
    margins.push(first - second)
    if (model.isEogToken(next.token)) break
    input = [next.token]
  }
  return { tokens, margins }
}

const versions = { nodeLlamaCpp: await library.getModuleVersion?.() }
say({ kernels: [], versions })
await serveLines(async ({ op, ...request }) => {
  switch (op) {
    case 'load': {
      const { sequences, tokens: contextSize, batchSize } = request
      await context?.dispose()
      model ??= await llama.loadModel({ modelPath: request.model })
      context = await model.createContext({
        sequences,
        contextSize,
        batchSize,
        threads: { ideal: threads, min: threads },
      })
      slots = Array.from({ length: sequences }, () => context.getSequence())
      return {}
    }
    case 'tokenize':
      return { tokens: [...model.tokenize(request.text, true)] }
    case 'generate':
      return answer(slots[0], request.prompt, request.count)
    case 'serve': {
      const start = performance.now()
      await Promise.all(
        request.prompts.map((prompt, i) => generate(slots[i], prompt, request.count)),
      )
      return { seconds: (performance.now() - start) / 1000 }
    }
    default:
      throw new Error(`"${op}" is nothing that can be asked for`)
  }
})
process.exit(0)
