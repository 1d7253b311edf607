// Delay of the event loop while the engine serves 32 streaming requests: what an HTTP server in the
// same process would feel. Needs built packages.
//
//   npm run build && node bench/engine-event-loop.mjs [--requests 32] [--tokens 128] [--threads 2]
import { monitorEventLoopDelay } from 'node:perf_hooks'

import { openVattention, option, sampleText, writeResult } from './engine-lib.mjs'

const requests = Number(option('requests', 32))
const maxTokens = Number(option('tokens', 128))
const threads = Number(option('threads', 2))
const barMs = 10
const resolutionMs = 1

const { engine, close } = await openVattention({ threads, maxSequences: 32 })
const words = sampleText().split(' ')
// A system prompt of about 300 tokens that all share, and a question of 20 to 400 words.
const system = words.slice(0, 230).join(' ')
const question = (i) => words.slice(i * 37, i * 37 + 20 + ((i * 53) % 380)).join(' ')

const histogram = monitorEventLoopDelay({ resolution: resolutionMs })
histogram.enable()
const start = performance.now()
let characters = 0
const results = await Promise.all(
  Array.from({ length: requests }, async (_, i) => {
    const generation = engine.generate({
      messages: [
        { role: 'system', content: system },
        { role: 'user', content: `Shorten this: ${question(i)}` },
      ],
      maxTokens,
      ignoreEos: true,
    })
    for await (const { text } of generation) characters += text.length
    return generation.result
  }),
)
const seconds = (performance.now() - start) / 1000
histogram.disable()
const metrics = engine.metrics()
await close()

// The monitor is a timer: it reports its interval plus the delay.
const delay = (nanoseconds) => Math.max(0, nanoseconds / 1e6 - resolutionMs)
const result = {
  requests,
  maxTokens,
  threads,
  seconds,
  outputTokens: results.reduce((sum, { tokens }) => sum + tokens.length, 0),
  characters,
  delayMs: {
    p50: delay(histogram.percentile(50)),
    p90: delay(histogram.percentile(90)),
    p99: delay(histogram.percentile(99)),
    max: delay(histogram.max),
    samples: histogram.count,
  },
  barMs,
  planMs: { p50: metrics.planMs.p50, p99: metrics.planMs.p99, max: metrics.planMs.max },
  forwardMs: { p50: metrics.forwardMs.p50, p99: metrics.forwardMs.p99 },
}
const { p50, p99, max } = result.delayMs
console.log(
  `${result.outputTokens} tokens of ${requests} requests in ${seconds.toFixed(1)} s; event-loop delay ` +
    `p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms, max ${max.toFixed(2)} ms (bar: p99 ${barMs} ms)`,
)
writeResult('engine-event-loop', result)
process.exitCode = p99 <= barMs ? 0 : 1
