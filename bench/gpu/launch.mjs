// Our launches beside upstream's own, from C++ (bench/native/launch_cuda.cc): `plan_run` against the
// upstream launcher called with parameters that were made once, and over mapped pages against over
// cudaMalloc.
//
//   npm run build:cuda -- benches && node bench/gpu/launch.mjs [--quick] [--budget 60]
import { atLeast } from './lib/bars.mjs'
import { runBench } from './lib/bench.mjs'
import { printTable } from './lib/figures.mjs'
import { llama } from './lib/formulas.mjs'
import { runNativeBench } from './lib/native-bench.mjs'
import { budgetOption } from './lib/options.mjs'
import { ratio, summarize } from './lib/statistics.mjs'
import { Telemetry } from './lib/telemetry.mjs'

/** Subjects of ours: all but the raw launcher. */
const reference = 'raw'
const allocation = 'cudaMalloc'

async function run({ gpu, options, result, random }) {
  const telemetry = new Telemetry(gpu.info?.uuid)
  let found
  const from = Date.now()
  try {
    found = runNativeBench('launch_cuda', [
      ...['--what', 'gpu', '--rounds', options.quick ? 6 : 40, '--seed', options.seed],
      // Eleven cases, and each has to be filled.
      ...['--budget', options.budget / 22],
      ...(options.only ? ['--only', options.only] : []),
    ])
  } catch (error) {
    result.skip('launch', error)
    return
  } finally {
    telemetry.stop()
  }
  for (const { case: name, reason } of found.skipped) result.skip(name, reason)
  const table = []
  for (const { case: name, backend, kernel, milliseconds, ...more } of found.gpu) {
    const where = `${backend}, ${name}`
    const names = Object.keys(milliseconds)
    const summary = Object.fromEntries(
      names.map((subject) => [subject, summarize(milliseconds[subject], random)]),
    )
    result.cases.push({ name, backend, kernel, ...more, samples: { ms: milliseconds }, summary })
    const compare = (of, over, bar) => {
      if (!milliseconds[of] || !milliseconds[over]) return undefined
      const value = ratio(milliseconds[over], milliseconds[of], random)
      const title = `${where}: ${of} / ${over}`
      result.cases.push({ name: title, phase: 'ratio', ratio: value })
      result.bars.push(atLeast(title, value, bar))
      return value.median
    }
    const ours = names.find((subject) => subject !== reference)
    const launches = compare(ours, reference, 0.99)
    const pages = compare('pages', allocation, name.startsWith('prefill') ? 0.99 : 0.97)
    table.push({
      case: where,
      'ours / raw': launches,
      'pages / cudaMalloc': pages,
      'same bits': more.sameBits,
    })
  }
  result.cases.push({ phase: 'clocks', ...telemetry.between(from, Date.now()) })
  printTable('Throughput, as a part of the other', table)
}

await runBench({
  name: 'launch',
  kind: 'kernel',
  about: 'plan_run from C++ against the raw upstream launchers, and pages against cudaMalloc.',
  options: {
    only: { value: 'TEXT', about: 'cases whose name has this in it: "flashinfer decode"' },
    budget: budgetOption(60, 20),
  },
  describe: () => ({
    protocol: {
      timer: 'CUDA events on the launch stream, no wait of the host within a round',
      order: 'shuffled in every round; ratios within rounds, medians, 95 % bootstrap intervals',
      l2: '512 MiB written before every sample; launches rotate through 4 layers',
      correctness: 'outputs compared bit by bit, and within 0.02',
    },
    workload: {
      model: llama.name,
      heads: [llama.queryHeads, llama.kvHeads, llama.headDim],
      dtype: llama.dtype,
      layout: 'split',
    },
  }),
  run,
})
