/**
 * A plan for decoding whose launches were captured: its tensors stay where they are, and each pass
 * fills them, prepares and replays.
 */
import type { AttentionPlan, PlanLimits, Stream, Tensor } from '@vattention/interface'

import { expect } from '../expect.ts'
import { readValues } from '../memory.ts'
import type { CapturedWork, StreamCapture } from '../stream-capture.ts'
import { checkPass } from './check-pass.ts'
import type { LayerResult, PassResult, Work } from './pass-result.ts'
import { backUp, noteAppended, rowsOf } from './pass.ts'
import type { Scene } from './scene.ts'
import type { RowKind, Tracked } from './tracked.ts'

/** One layer's tensors, with a row for each sequence of the graph. */
interface LayerTensors {
  readonly query: Tensor
  readonly key: Tensor
  readonly value: Tensor
  readonly output: Tensor
  readonly lse: Tensor | undefined
}

/** See the file's head. */
export class CapturedPlan implements Disposable {
  readonly plan: AttentionPlan
  readonly stream: Stream & Disposable
  readonly #scene: Scene
  readonly #graphs: StreamCapture
  readonly #layers: readonly LayerTensors[]
  readonly #rows: number
  #work: CapturedWork | undefined

  constructor(scene: Scene, graphs: StreamCapture, graph: NonNullable<PlanLimits['graph']>) {
    this.#scene = scene
    this.#graphs = graphs
    this.#rows = graph.sequences
    this.#layers = Array.from({ length: scene.layers }, () => makeTensors(scene, graph.sequences))
    this.plan = scene.backend.createPlan(scene.config, { ...scene.limits, graph })
    this.stream = graphs.stream()
  }

  /** Decodes `count` tokens of each sequence, one pass each, every result checked. */
  async decode(sequences: readonly Tracked[], count: number): Promise<PassResult> {
    let result: PassResult | undefined
    for (let i = 0; i < count; i++) {
      result = await this.pass(
        sequences.map((sequence) => ({
          sequence,
          queryLength: 1,
          kvLength: sequence.length + 1,
        })),
      )
    }
    return result!
  }

  /** Prepares, replays and checks; the first pass captures before. */
  async pass(work: readonly Required<Work>[]): Promise<PassResult> {
    const scene = this.#scene
    const appending = scene.backend.capabilities.append ? 'run' : 'written'
    backUp(scene, work)
    const queries = this.#layers.map((_, layer) => this.#fill(work, layer, appending))
    const { memory } = scene
    this.plan.prepare({
      cache: scene.cache,
      sequences: Uint32Array.from(work, ({ sequence }) => sequence.handle),
      queryLengths: Uint32Array.from(work, ({ queryLength }) => queryLength),
      kvLengths: Uint32Array.from(work, ({ kvLength }) => kvLength),
      stream: this.stream,
    })
    this.#work ??= this.#graphs.capture(this.stream, () => this.#run())
    this.#work.replay(this.stream)
    const layers = this.#layers.map(({ output, lse }, layer): LayerResult => {
      const found = readValues(memory, output)
      const foundLse = lse && readValues(memory, lse)
      this.#checkPadding(found, foundLse, work.length)
      return {
        layer,
        query: queries[layer]!,
        output: found.subarray(0, (found.length / this.#rows) * work.length),
        lse: foundLse?.subarray(0, (foundLse.length / this.#rows) * work.length),
      }
    })
    for (const { sequence, kvLength } of work) {
      sequence.length = Math.max(sequence.length, kvLength)
    }
    const result: PassResult = { work, appending, layers }
    checkPass(scene, result)
    return result
  }

  /** Runs what is prepared without the graph; the outputs of all layers. */
  runAgain(): Float32Array[] {
    this.#run()
    return this.#layers.map(({ output }) => readValues(this.#scene.memory, output))
  }

  [Symbol.dispose](): void {
    this.#work?.[Symbol.dispose]()
    this.plan[Symbol.dispose]()
    this.stream[Symbol.dispose]()
  }

  #run(): void {
    const { append } = this.#scene.backend.capabilities
    for (const [layer, { query, key, value, output, lse }] of this.#layers.entries()) {
      this.plan.run({ layer, query, output, ...(lse && { lse }), ...(append && { key, value }) })
    }
  }

  /** Fills a layer's inputs, and its outputs with NaN; returns the queries of the batch. */
  #fill(
    work: readonly Required<Work>[],
    layer: number,
    appending: 'run' | 'written',
  ): Float32Array {
    const scene = this.#scene
    const { memory } = scene
    const tensors = this.#layers[layer]!
    const inputs = {} as Record<RowKind, Float32Array>
    for (const kind of ['query', 'key', 'value'] as const) {
      inputs[kind] = rowsOf(scene, work, kind, layer)
      // Rows past the batch hold what must not be read.
      memory.write(tensors[kind], padded(inputs[kind], tensors[kind]))
    }
    for (const tensor of [tensors.output, tensors.lse]) {
      if (tensor) memory.write(tensor, padded(new Float32Array(0), tensor))
    }
    noteAppended(scene, work, layer, inputs, appending === 'written')
    return inputs.query
  }

  #checkPadding(output: Float32Array, lse: Float32Array | undefined, used: number): void {
    const rest = output.subarray((output.length / this.#rows) * used)
    expect(
      rest.every((value) => value === 0),
      `output past the ${used} rows of the batch is not zero`,
    )
    const lseRest = lse?.subarray((lse.length / this.#rows) * used) ?? []
    expect(
      lseRest.every((value) => value === -Infinity),
      `LSE past the ${used} rows of the batch is not -Infinity`,
    )
  }
}

function makeTensors(scene: Scene, rows: number): LayerTensors {
  const { memory, config } = scene
  const { kvHeads, headDim, valueHeadDim } = scene.cache.shape
  const { dtype, queryHeads } = config
  return {
    query: memory.tensor(dtype, [rows, queryHeads, headDim]),
    key: memory.tensor(dtype, [rows, kvHeads, headDim]),
    value: memory.tensor(dtype, [rows, kvHeads, valueHeadDim]),
    output: memory.tensor(dtype, [rows, queryHeads, valueHeadDim]),
    lse: config.needsLse ? memory.tensor('float32', [rows, queryHeads]) : undefined,
  }
}

/** `values`, then NaN up to the tensor's size. */
function padded(values: Float32Array, { shape }: Tensor): Float32Array {
  const all = new Float32Array(shape.reduce((product, size) => product * size, 1)).fill(NaN)
  all.set(values)
  return all
}
