/**
 * Streams: a plan waits for nothing, whatever its stream is busy with, and memory that it reads stays
 * until the stream has come to it.
 */
import type { Capabilities } from '@vattention/interface'

import { SkipCase } from '../case.ts'
import { codes, expectError, expectSameBits } from '../expect.ts'
import { readValues } from '../memory.ts'
import type { TestStream } from '../subject.ts'
import { baseConfig, type CacheKind } from './base-config.ts'
import type { BackendCase } from './context.ts'
import { makeOperand, type Operand } from './operand.ts'
import { doPass, prepare } from './pass.ts'
import type { Scene, SceneOptions } from './scene.ts'
import type { Tracked } from './tracked.ts'

const group = 'streams'
const room: SceneOptions = { lengths: [900, 900, 900], tokens: 4 }

/** Cases of streams, over a cache of `kind`. */
export function streamCases(capabilities: Capabilities, kind: CacheKind): BackendCase[] {
  const config = baseConfig(capabilities, kind)
  const make = (
    name: string,
    play: (scene: Scene, stream: () => TestStream) => Promise<void>,
  ): BackendCase => ({
    group,
    name: `${group}: ${name} (${kind})`,
    needs: { configs: [config], flags: ['decode'], longest: 900, streams: true },
    async run(context) {
      if (!context.subject.backend.native) {
        throw new SkipCase('a backend in JavaScript has no work behind its caller')
      }
      // Streams outlive the cache and the plan that were given them.
      const opened: TestStream[] = []
      const open = (): TestStream => {
        const stream = context.subject.stream!()
        opened.push(stream)
        return stream
      }
      try {
        using scene = context.scene(config, room)
        try {
          await play(scene, open)
        } finally {
          for (const stream of opened) stream.complete()
        }
      } finally {
        for (const stream of opened) stream[Symbol.dispose]()
      }
    },
  })
  return [
    make('work given to a busy stream is done when the stream comes to it', async (scene, open) => {
      const stream = open()
      const one = await Decode.of(scene, scene.add(700))
      const work = stream.submit()
      one.enqueue(stream)
      stream.complete(work)
      one.check('after the stream came to it')
    }),
    make('memory of a freed sequence stays for a busy stream', async (scene, open) => {
      const stream = open()
      const sequence = scene.add(700)
      const one = await Decode.of(scene, sequence)
      const work = stream.submit()
      one.enqueue(stream)
      scene.free(sequence)
      // Whoever comes next, and gets memory now or later.
      const next = [scene.allocate(), scene.allocate()]
      const handles = Uint32Array.from(next, ({ handle }) => handle)
      scene.cache.step(handles, Uint32Array.of(900, 900))
      stream.complete(work)
      one.check('read by a stream that came to it after the sequence had been freed')
      scene.step(next, [900, 900])
      for (const other of next) scene.write(other, 899)
      await doPass(
        scene,
        next.map((other) => ({ sequence: other, queryLength: 1 })),
      )
    }),
    make('memory that was truncated stays for a busy stream', async (scene, open) => {
      const stream = open()
      const sequence = scene.add(700)
      const one = await Decode.of(scene, sequence)
      const work = stream.submit()
      one.enqueue(stream)
      scene.truncate(sequence, 100)
      const other = scene.allocate()
      scene.cache.step(Uint32Array.of(other.handle), Uint32Array.of(900))
      stream.complete(work)
      one.check('read by a stream that came to it after the sequence had been truncated')
    }),
    make('a plan goes on to another stream while the first is busy', async (scene, open) => {
      const busy = open()
      const other = open()
      const sequence = scene.add(700)
      const [first, second] = [
        await Decode.of(scene, sequence),
        await Decode.of(scene, scene.add(333)),
      ]
      const work = busy.submit()
      first.enqueue(busy)
      second.enqueue(other)
      scene.free(sequence)
      const next = scene.allocate()
      scene.cache.step(Uint32Array.of(next.handle), Uint32Array.of(900))
      busy.complete(work)
      first.check('on the first stream')
      second.check('on the second stream')
    }),
    make('a cache is not disposed under a busy stream', async (scene, open) => {
      const stream = open()
      const one = await Decode.of(scene, scene.add(700))
      const work = stream.submit()
      one.enqueue(stream)
      const dispose = () => scene.cache[Symbol.dispose]()
      await expectError(dispose, codes.busy, 'dispose')
      stream.complete(work)
      one.check('after the cache was not disposed')
    }),
  ]
}

/** One row of one sequence, whose result is known. */
class Decode {
  readonly #scene: Scene
  readonly #sequence: Tracked
  readonly #length: number
  readonly #query: Operand
  readonly #output: Operand
  readonly #expected: Float32Array

  private constructor(scene: Scene, sequence: Tracked, expected: Float32Array) {
    const { memory, config } = scene
    const { headDim, valueHeadDim } = scene.cache.shape
    const { dtype, queryHeads } = config
    const rows = scene.makeRows(sequence, 'query', 0, sequence.length - 1, 1)
    this.#scene = scene
    this.#sequence = sequence
    this.#length = sequence.length
    this.#query = makeOperand(memory, 'dense', dtype, [1, queryHeads, headDim], rows)
    this.#output = makeOperand(memory, 'dense', dtype, [1, queryHeads, valueHeadDim])
    this.#expected = expected
  }

  /** Computes the result on an idle stream and checks it. */
  static async of(scene: Scene, sequence: Tracked): Promise<Decode> {
    const pass = await doPass(scene, [{ sequence, queryLength: 1 }], { appending: 'none' })
    return new Decode(scene, sequence, pass.layers[0]!.output)
  }

  /** Must return, however busy the stream is. */
  enqueue(stream: TestStream): void {
    const work = { sequence: this.#sequence, queryLength: 1, kvLength: this.#length }
    prepare(this.#scene, [work], stream)
    this.#scene.plan.run({ layer: 0, query: this.#query.tensor, output: this.#output.tensor })
  }

  check(what: string): void {
    expectSameBits(readValues(this.#scene.memory, this.#output.tensor), this.#expected, what)
  }
}
