// llama.cpp through node-llama-cpp, on the CPU: answers and times what a bench asks for.
//
//   node llama_engine.mjs <path of node-llama-cpp's entry> <threads>
//
//   {"op": "load", "model": "/path/model.gguf", "sequences": 8, "tokens": 1280, "batchSize": 512}
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

/** Tokens after a prompt, greedy, past the end of the sequence. */
async function generate(slot, prompt, count) {
  await slot.clearHistory()
  const tokens = []
  for await (const token of slot.evaluate(prompt, { temperature: 0, yieldEogToken: true })) {
    tokens.push(token)
    if (tokens.length === count) return tokens
  }
  throw new Error(`it ended after ${tokens.length} of ${count} tokens`)
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
    case 'generate':
      return { tokens: await generate(slots[0], request.prompt, request.count) }
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
