// Greedy answers of this engine and of node-llama-cpp to eight prompts: same GGUF file. Both round
// differently (weights, activations, order of sums), so that answers may part where the two best
// logits nearly tie. Says for each prompt where they part and how close the choice was on both
// sides; a parting at a margin above 0.5 logits on our side is a failure. Needs built packages.
//
//   npm run build && node bench/engine-greedy.mjs [--tokens 128]
import { availableParallelism } from 'node:os'

import {
  benchModel,
  importLlama,
  openVattention,
  option,
  runSide,
  writeResult,
} from './engine-lib.mjs'

const maxTokens = Number(option('tokens', 128))
const maxMargin = 0.5
const prompts = [
  'What is the capital of France?',
  'Write a short poem about the sea.',
  'Explain photosynthesis to a child.',
  'List three uses of a paperclip.',
  'Why is the sky blue?',
  'Translate "good morning" into Spanish and German.',
  'Write a Python function that adds two numbers.',
  'What should I cook with eggs, rice and spinach?',
]

const sides = {
  async vattention() {
    const answers = {}
    for (const kind of ['contiguous', 'paged']) {
      const { engine, model, close } = await openVattention({ kind, maxSequences: 8 })
      const inputs = prompts.map((content) => [
        ...model.tokenizer.encodeChat([{ role: 'user', content }]),
      ])
      answers[kind] = await Promise.all(
        inputs.map(async (tokens) => {
          const { logprobs } = await engine.generate({ tokens, maxTokens, logprobs: 2 }).result
          const { tokenizer } = model
          return {
            input: tokens,
            tokens: logprobs.map(({ token }) => token),
            margins: logprobs.map(({ margin }) => margin),
            texts: logprobs.map(({ token }) => tokenizer.decode([token], { controlTokens: true })),
          }
        }),
      )
      await close()
    }
    return answers
  },

  async llama() {
    const { getLlama, LlamaLogLevel } = await importLlama()
    // Left to itself it takes more threads than there are cores, which is slower by far.
    const threads = availableParallelism()
    const llama = await getLlama({
      gpu: false,
      build: 'never',
      maxThreads: threads,
      logLevel: LlamaLogLevel.error,
    })
    const model = await llama.loadModel({ modelPath: benchModel() })
    const context = await model.createContext({
      contextSize: 1024,
      threads: { ideal: threads, min: threads },
    })
    const sequence = context.getSequence()
    const template =
      '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' +
      '<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n'
    const answers = []
    for (const prompt of prompts) {
      const input = model.tokenize(template.replace('{prompt}', prompt), true)
      await sequence.clearHistory()
      const tokens = []
      const margins = []
      let next = input
      while (tokens.length < maxTokens) {
        const request = next.map((token, i) =>
          i < next.length - 1
            ? token
            : [
                token,
                {
                  generateNext: {
                    token: true,
                    logits: { filter: { tokens: [], includeTop: 2 } },
                    options: { temperature: 0 },
                  },
                },
              ],
        )
        const { next: drawn } = (await sequence.controlledEvaluate(request)).at(-1)
        const [first, second] = [...drawn.logits.values()].sort((a, b) => b - a)
        tokens.push(drawn.token)
        margins.push(first - second)
        if (model.isEogToken(drawn.token)) break
        next = [drawn.token]
      }
      const texts = tokens.map((token) => model.detokenize([token], true))
      answers.push({ input: [...input], tokens, margins, texts })
    }
    return answers
  },
}

/** Where two answers part; `undefined` when they do not. */
function parting(ours, theirs) {
  const length = Math.max(ours.tokens.length, theirs.tokens.length)
  for (let i = 0; i < length; i++) {
    if (ours.tokens[i] === theirs.tokens[i]) continue
    return {
      at: i,
      ours: ours.texts[i],
      theirs: theirs.texts[i],
      ourMargin: ours.margins[i],
      theirMargin: theirs.margins[i],
    }
  }
  return undefined
}

const side = option('side')
if (side) {
  console.log(JSON.stringify(await sides[side]()))
} else {
  const { contiguous, paged } = runSide(import.meta.url, 'vattention', process.argv.slice(2))
  const llama = runSide(import.meta.url, 'llama', process.argv.slice(2))
  let failed = false
  const rows = prompts.map((prompt, i) => {
    const sameInput = contiguous[i].input.join() === llama[i].input.join()
    const sameCaches = contiguous[i].tokens.join() === paged[i].tokens.join()
    const parts = parting(contiguous[i], llama[i])
    const fine = sameInput && sameCaches && !(parts?.ourMargin > maxMargin)
    failed ||= !fine
    const tokens = contiguous[i].tokens.length
    return { prompt, tokens, sameInput, sameCaches, fine, ...(parts ? { parts } : {}) }
  })
  for (const { prompt, tokens, sameInput, sameCaches, parts } of rows) {
    console.log(prompt)
    if (!sameInput) console.log('  the prompts have different tokens')
    if (!sameCaches) console.log('  the two caches give different tokens')
    if (!parts) console.log(`  the same ${tokens} tokens`)
    else {
      const { at, ours, theirs, ourMargin, theirMargin } = parts
      const margins = `margins ${ourMargin?.toFixed(3)} here, ${theirMargin?.toFixed(3)} there`
      const texts = `${JSON.stringify(ours)} here, ${JSON.stringify(theirs)} there`
      console.log(`  part at token ${at} of ${tokens}: ${texts}; ${margins}`)
    }
  }
  console.log(failed ? '\nA bar was missed.' : `\nNone part at a margin above ${maxMargin}.`)
  writeResult('engine-greedy', { maxTokens, maxMargin, prompts: rows })
  process.exitCode = failed ? 1 : 0
}
