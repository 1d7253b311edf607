// FlashAttention-3 over the contiguous cache beside PyTorch's attention: cuDNN's and the flash backend
// of scaled_dot_product_attention, in a Python of their own, in turns. Causal prefill of one sequence.
//
//   npm run build && node bench/gpu/peers.mjs [--quick] [--python python3] [--budget 60]
//
// Every round measures each once, in an order of its own; the other process rests meanwhile. Without
// a Python that has PyTorch nothing is measured.
import { copy } from '@vattention/core'
import { fileURLToPath } from 'node:url'

import { openBackends } from './lib/backends.mjs'
import { atLeast } from './lib/bars.mjs'
import { runBench } from './lib/bench.mjs'
import { figures, printTable } from './lib/figures.mjs'
import { FilledCache } from './lib/filled-cache.mjs'
import { attentionFlop, causalPairs, llama } from './lib/formulas.mjs'
import { LineProcess } from './lib/line-process.mjs'
import { Noise } from './lib/noise.mjs'
import { budgetOption, promptLengths } from './lib/options.mjs'
import { interleave } from './lib/rounds.mjs'
import { ratio } from './lib/statistics.mjs'
import { Rows, Subject } from './lib/subject.mjs'
import { Telemetry } from './lib/telemetry.mjs'
import { enqueue, launchesFor, probe, timeBurst } from './lib/timing.mjs'

const script = fileURLToPath(new URL('torch_sdpa.py', import.meta.url))
const ours = 'fa3 contiguous'
const peers = { 'torch cudnn': 'cudnn', 'torch flash': 'flash' }
const rotated = 8
const label = (length) => (length % 1024 === 0 ? `${length / 1024}K` : String(length))

/** An answer that is none is an error. */
async function ask(python, request) {
  const answer = await python.ask(request)
  if (answer.error) throw new Error(answer.error)
  return answer
}

async function measureLength(length, budgetMs, { gpu, options, result, random, subject, python }) {
  const errors = { [ours]: undefined }
  subject.prepare(length, length)
  errors[ours] = await subject.check({ thorough: false })
  const forms = {}
  for (const [name, backend] of Object.entries(peers)) {
    try {
      const { maxError, layout, kvHeads } = await ask(python, { length, backend, phase: 'check' })
      errors[name] = maxError
      forms[name] = { layout, kvHeads }
    } catch (error) {
      result.skip(`${label(length)}: ${name}`, error)
    }
  }
  const launchMs = await probe(gpu, subject, rotated)
  const launches = launchesFor(launchMs, options.quick ? 10 : 40)
  const measure = {
    [ours]: async () => {
      const from = Date.now()
      const { start, end } = enqueue(gpu, subject, launches, rotated)
      await gpu.synchronize()
      return { ms: end.millisecondsSince(start) / launches, from, to: Date.now() }
    },
  }
  for (const name of Object.keys(forms)) {
    measure[name] = async () => {
      const from = Date.now()
      const request = { length, backend: peers[name], phase: 'sample', launches }
      const [ms] = (await ask(python, request)).ms
      return { ms, from, to: Date.now() }
    }
  }
  const samples = await interleave({
    subjects: measure,
    most: options.quick ? 4 : 40,
    least: options.quick ? 2 : 6,
    budgetMs,
    random,
  })
  const bursts = { [ours]: [] }
  const [pauseMs, spanMs] = [options.quick ? 200 : 800, 60]
  const about = { layers: rotated, launchMs, pauseMs, spanMs }
  for (let i = 0; i < (options.quick ? 1 : 2); i++) {
    bursts[ours].push(...(await timeBurst(gpu, subject, about)))
    for (const name of Object.keys(forms)) {
      const from = Date.now()
      const request = { length, backend: peers[name], phase: 'burst', span: spanMs }
      const { ms } = await ask(python, { ...request, pause: pauseMs / 1000 })
      const of = ms.map((one) => ({ ms: one, from, to: Date.now() }))
      bursts[name] = [...(bursts[name] ?? []), ...of]
    }
  }
  return { errors, forms, samples, bursts }
}

async function run(context) {
  const { gpu, options, result, random } = context
  const python = new LineProcess(options.python, [script, '--serve', '--seed', options.seed])
  let versions
  try {
    versions = await python.next()
    if (versions.unavailable) throw new Error(versions.unavailable)
  } catch (error) {
    result.skip('PyTorch', error)
    return
  }
  const backends = await openBackends(gpu, ['flash-attention-3'], result)
  const backend = backends.get('flash-attention-3')
  if (!backend) {
    await python.end()
    return
  }
  result.cases.push({ name: 'PyTorch', ...versions })
  const { lengths } = options
  const longest = Math.max(...lengths)
  const { headDim, dtype, kvHeads, queryHeads } = llama
  const noiseOf = (rows, heads) => new Noise(gpu, { rows, heads, headDim, dtype, random })
  const about = { model: llama, sequences: 1, length: longest, layout: 'interleaved', random }
  const filled = new FilledCache(gpu, about, [backend], noiseOf(4096, kvHeads))
  const queryNoise = noiseOf(1024, queryHeads)
  const rows = new Rows(gpu, llama, longest, queryNoise, (from, to) => copy(from, to, gpu.stream))
  const subject = new Subject(gpu, ours, backend, filled, rows, longest)
  const telemetry = new Telemetry(gpu.info?.uuid)
  const measured = []
  try {
    const weights = lengths.map((length) => Math.max(1, length / 40000))
    const total = weights.reduce((sum, weight) => sum + weight, 0)
    for (const [i, length] of lengths.entries()) {
      // Bursts and PyTorch's own beginnings take the rest.
      const budgetMs = (options.budget * 600 * weights[i]) / total
      const of = { ...context, subject, python }
      measured.push([length, await measureLength(length, budgetMs, of)])
      telemetry.read()
    }
  } finally {
    telemetry.stop()
    await python.end()
  }
  const table = []
  for (const [length, { errors, forms, samples, bursts }] of measured) {
    const flop = attentionFlop(llama, causalPairs(length, length))
    const rate = { name: 'tflops', work: flop / 1e12 }
    const row = { length: label(length) }
    for (const [phase, all] of Object.entries({ rounds: samples, burst: bursts })) {
      for (const [name, of] of Object.entries(all)) {
        const made = figures(of, telemetry, rate, random)
        const maxError = errors[name]
        result.cases.push({ name, length, phase, flop, maxError, ...forms[name], ...made })
        row[phase === 'burst' ? `${name} burst` : name] = made.summary.tflops.median
      }
    }
    for (const name of Object.keys(forms)) {
      const ms = (subjectName) => samples[subjectName].map((one) => one.ms)
      const value = ratio(ms(name), ms(ours), random)
      const title = `${ours} / ${name}, ${label(length)}`
      result.cases.push({ name: title, length, phase: 'ratio', ratio: value })
      if (peers[name] === 'cudnn') result.bars.push(atLeast(title, value, 1))
    }
    table.push(row)
  }
  printTable('TFLOP/s', table)
  subject.dispose()
  await filled.dispose()
}

await runBench({
  name: 'peers',
  kind: 'kernel',
  about: "FlashAttention-3 over the contiguous cache beside PyTorch's attention.",
  options: {
    python: {
      value: 'PROGRAM',
      about: 'a Python with PyTorch, default python3',
      default: 'python3',
    },
    lengths: promptLengths,
    budget: budgetOption(60, 15),
  },
  describe: ({ lengths }) => ({
    protocol: {
      timer: 'CUDA events of each process',
      order: 'shuffled in every round; ratios within rounds, medians, 95 % bootstrap intervals',
      processes: 'two, of which one rests',
      pytorch: 'the faster of [token, head, dim] and [head, token, dim]; KV heads grouped if taken',
      burst: 'launches of the first 60 ms after a pause of 0.8 s, twice',
      flop: '4 x pairs x query heads x head dim; masked pairs do not count',
    },
    workload: {
      model: llama.name,
      heads: [llama.queryHeads, llama.kvHeads, llama.headDim],
      dtype: llama.dtype,
      lengths,
      mask: 'causal',
    },
  }),
  run,
})
