// ONNX Runtime's GroupQueryAttention on the CPU, over data that a bench gives: the requests are those
// of torch_attention.py.
//
//   node onnxruntime_attention.mjs <path of onnxruntime-node's entry> <threads>
import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'

import { gqaModel } from './gqa-model.mjs'
import { say, serveLines } from './serve-lines.mjs'

const [entry, threads] = process.argv.slice(2)

let runtime
try {
  const found = await import(pathToFileURL(entry).href)
  runtime = found.InferenceSession ? found : found.default
} catch (error) {
  say({ unavailable: `onnxruntime-node cannot be loaded: ${error.message.split('\n')[0]}` })
  process.exit(0)
}

/** Rows `[row, heads, dim]` of a file. */
function noiseOf(path, width) {
  const bytes = readFileSync(path)
  const values = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)
  return (row) => values.subarray(row * width, (row + 1) * width)
}

class Attention {
  static async open(request) {
    const made = new Attention()
    await made.load(request)
    return made
  }

  async load(request) {
    const { sequences, query, kv, queryHeads, kvHeads, headDim, dtype, flushBytes } = request
    if (dtype !== 'float32') throw new Error(`measured in float32 only, not in ${dtype}`)
    Object.assign(this, { sequences, query, queryHeads, headDim })
    this.flushed = Buffer.alloc(flushBytes)
    this.session = await runtime.InferenceSession.create(gqaModel(request), {
      executionProviders: ['cpu'],
      intraOpNumThreads: Number(threads),
      interOpNumThreads: 1,
    })
    const kvRow = noiseOf(request.kvFile, kvHeads * headDim)
    const queryRow = noiseOf(request.queryFile, queryHeads * headDim)
    const queryRows = readFileSync(request.queryFile).length / (4 * queryHeads * headDim)
    const queries = new Float32Array(sequences * query * queryHeads * headDim)
    for (let i = 0; i < sequences * query; i++) {
      queries.set(queryRow(i % queryRows), i * queryHeads * headDim)
    }
    const float = (values, dims) => new runtime.Tensor('float32', values, dims)
    const shared = {
      query: float(queries, [sequences, query, queryHeads * headDim]),
      // Lengths less one, as the operator has them.
      seqlens_k: new runtime.Tensor('int32', new Int32Array(sequences).fill(kv - 1), [sequences]),
      total_sequence_length: new runtime.Tensor('int32', Int32Array.of(kv), [1]),
    }
    this.output = float(new Float32Array(queries.length), shared.query.dims)
    this.layers = request.layers.map((kinds) => {
      const [keys, values] = kinds.map((of) => rowsOf(of, kvRow))
      const fresh = (rows) =>
        float(lastRows(rows, query, kvHeads * headDim), [sequences, query, kvHeads * headDim])
      const past = (rows) =>
        float(headsFirst(rows, kv, kvHeads, headDim), [sequences, kvHeads, kv, headDim])
      const [pastKey, pastValue] = [past(keys), past(values)]
      const feeds = { ...shared, key: fresh(keys), value: fresh(values) }
      return {
        feeds: { ...feeds, past_key: pastKey, past_value: pastValue },
        // The same memory as the past: new rows are written into it, and nothing is copied.
        fetches: { output: this.output, present_key: pastKey, present_value: pastValue },
      }
    })
  }

  launch(i) {
    const { feeds, fetches } = this.layers[i % this.layers.length]
    return this.session.run(feeds, fetches)
  }

  async check(rows) {
    const { output } = await this.launch(0)
    const width = this.queryHeads * this.headDim
    return rows.map(([sequence, row]) => {
      const at = (sequence * this.query + row) * width
      return Array.from(output.data.subarray(at, at + width))
    })
  }

  async sample(launches) {
    this.flushed.fill(1)
    const start = performance.now()
    for (let i = 0; i < launches; i++) await this.launch(i)
    return (performance.now() - start) / launches
  }
}

/** Rows of each sequence, by its segments. */
const rowsOf = (sequences, rowAt) =>
  sequences.map((segments) =>
    segments.flatMap(([start, count]) => Array.from({ length: count }, (_, i) => rowAt(start + i))),
  )

/** The last `count` rows of each sequence: `[sequence, token, head * dim]`. */
function lastRows(sequences, count, width) {
  const out = new Float32Array(sequences.length * count * width)
  sequences.forEach((rows, s) =>
    rows.slice(-count).forEach((row, i) => out.set(row, (s * count + i) * width)),
  )
  return out
}

/** `[sequence, head, token, dim]` */
function headsFirst(sequences, tokens, heads, dim) {
  const out = new Float32Array(sequences.length * heads * tokens * dim)
  sequences.forEach((rows, s) =>
    rows.forEach((row, token) => {
      for (let head = 0; head < heads; head++) {
        out.set(
          row.subarray(head * dim, (head + 1) * dim),
          ((s * heads + head) * tokens + token) * dim,
        )
      }
    }),
  )
  return out
}

let attention
say({ kernels: ['gqa'], versions: { onnxruntime: runtime.env?.versions?.node ?? null } })
await serveLines(async ({ op, rows, launches, ...request }) => {
  switch (op) {
    case 'load':
      attention = await Attention.open(request)
      return {}
    case 'unload':
      await attention?.session.release()
      attention = undefined
      return {}
    case 'prepare':
      return { layout: '[head, token, dim]', kvHeads: 'grouped' }
    case 'check':
      return { rows: await attention.check(rows) }
    case 'sample':
      return { ms: await attention.sample(launches) }
    default:
      throw new Error(`"${op}" is not measured here`)
  }
})
process.exit(0)
