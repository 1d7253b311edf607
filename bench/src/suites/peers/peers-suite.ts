import { availableParallelism } from 'node:os'

import { Option } from 'commander'

import type { DType } from '@vattention/interface'

import { openBackends, Unavailable, type OpenBackends } from '../../harness/index.ts'
import {
  namedCache,
  namedShape,
  type Cell,
  type NamedShape,
  type OpenSuite,
  type Suite,
  type SuiteContext,
} from '../../suite/index.ts'
import { AttentionBench } from '../attention/attention-bench.ts'
import { batchOf, type Batch } from '../attention/batch-values.ts'
import { attentionProtocol, attentionWorkload } from '../attention/protocol.ts'
import { count, listOf, wordOf } from '../option-values.ts'
import { modelPath } from '../serve/default-model.ts'
import { resolveServeOptions } from '../serve/serve-options.ts'
import { openServedModel, type ServedModel } from '../serve/served-model.ts'
import { attentionCell, type AttentionPeer, type PeerTask } from './attention-cell.ts'
import { engineCell, engineTaskName, type EngineTask } from './engine-cell.ts'
import { peerEngine } from './engine-cells.ts'
import { findPeer, peerPackages, peerScript } from './peer-files.ts'
import { startProgram, type PeerProgram } from './peer-program.ts'

/** The peers by name. */
const peerNames = ['torch', 'onnxruntime', 'llama'] as const
type PeerName = (typeof peerNames)[number]

/** Where peers and ours come from; tests give their own. */
export interface PeersParts {
  readonly openBackends: OpenBackends
  /** @throws Unavailable with the reason for which there is no such peer */
  readonly openPeer: (name: PeerName, about: OpenPeerOptions) => Promise<PeerProgram>
  readonly openModel: (path: string, threads: number, signal: AbortSignal) => Promise<ServedModel>
  readonly modelPath: (asked: string | undefined) => string
}

interface OpenPeerOptions {
  readonly isGpu: boolean
  readonly threads: number
  readonly python: string
  /** Whether what is missing is installed. */
  readonly install: boolean
}

const realParts: PeersParts = {
  openBackends,
  openPeer: async (name, { isGpu, threads, python, install }) => {
    if (name === 'torch') {
      const device = isGpu ? 'cuda' : 'cpu'
      const script = peerScript('torch_attention.py')
      return startProgram(python, [script, '--device', device, '--threads', String(threads)])
    }
    if (isGpu) throw new Unavailable('measured on the CPU only')
    const script = name === 'llama' ? 'llama_engine.mjs' : 'onnxruntime_attention.mjs'
    const entry = findPeer(peerPackages[name], install)
    return startProgram(process.execPath, [peerScript(script), entry, String(threads)])
  },
  openModel: (path, threads, signal) =>
    openServedModel({ ...resolveServeOptions('offline', true, {}), model: path, threads }, signal),
  modelPath,
}

interface Tasks {
  readonly lengths: readonly number[]
  readonly batches: readonly Batch[]
  readonly engine: readonly EngineTask[]
}

const batch = (sequences: number, tokens: number): Batch => ({ sequences, tokens })

const defaultTasks = {
  gpu: {
    full: {
      lengths: [8192, 16384, 32768, 65536, 131072],
      batches: [batch(16, 16384), batch(64, 4096)],
      engine: [],
    },
    quick: { lengths: [4096], batches: [batch(8, 4096)], engine: [] },
  },
  cpu: {
    full: {
      lengths: [512, 2048],
      batches: [batch(1, 8192), batch(8, 4096)],
      engine: [
        { requests: 8, input: 128, output: 128 },
        { requests: 1, input: 128, output: 128 },
        { requests: 1, input: 1024, output: 1 },
      ],
    },
    quick: {
      lengths: [256],
      batches: [batch(4, 1024)],
      engine: [
        { requests: 4, input: 32, output: 8 },
        { requests: 1, input: 128, output: 1 },
      ],
    },
  },
} as const satisfies Record<string, Record<string, Tasks>>

interface Given {
  readonly lengths?: number[]
  readonly batches?: Batch[]
  readonly peers?: PeerName[]
  readonly dtype?: DType
  readonly python?: string
  readonly model?: string
  readonly threads?: number
  readonly install?: boolean
}

/** @param parts Where peers come from. */
export const makePeers = (parts: Partial<PeersParts> = {}): Suite => ({
  name: 'peers',
  kind: 'kernel',
  summary:
    'What one would take instead: PyTorch, ONNX Runtime and llama.cpp, where they are installed.',
  options: () => [
    new Option('--peers <names>', `${peerNames.join(', ')} (default: all)`).argParser(
      listOf(wordOf(...peerNames)),
    ),
    new Option('--lengths <tokens>', 'of prompts, for attention').argParser(listOf(count())),
    new Option('--batches <list>', 'sequences x tokens that decode: 16x1024').argParser(
      listOf(batchOf),
    ),
    new Option(
      '--dtype <type>',
      'of attention (default: bfloat16 on a GPU, float32 on the CPU, which all peers compute there)',
    ).choices(['bfloat16', 'float16', 'float32']),
    new Option('--python <program>', 'a Python with PyTorch (default: python3)'),
    new Option('--model <path>', "GGUF file that both engines serve (default: the demo's model)"),
    new Option('--threads <n>', 'CPU threads (default: all cores)').argParser(count()),
    new Option('--install', 'installs node-llama-cpp and onnxruntime-node beside other downloads'),
  ],
  budgetSeconds: { full: 600, quick: 40 },
  open: (context) => new PeersRun({ ...realParts, ...parts }, context).open(),
})

/** A suite that is being opened, and what has to be closed. */
class PeersRun {
  readonly #parts: PeersParts
  readonly #context: SuiteContext
  readonly #given: Given
  readonly #threads: number
  readonly #programs: PeerProgram[] = []
  readonly #versions: Record<string, string | null> = {}
  #model: ServedModel | undefined
  #bench: AttentionBench | undefined

  constructor(parts: PeersParts, context: SuiteContext) {
    this.#parts = parts
    this.#context = context
    this.#given = context.options as Given
    this.#threads = this.#given.threads ?? availableParallelism()
  }

  async open(): Promise<OpenSuite> {
    try {
      return await this.#open()
    } catch (error) {
      await this.#close()
      throw error
    }
  }

  async #open(): Promise<OpenSuite> {
    const { device, settings } = this.#context
    const defaults = defaultTasks[device.isGpu ? 'gpu' : 'cpu'][settings.quick ? 'quick' : 'full']
    const lengths = this.#given.lengths ?? defaults.lengths
    const batches = this.#given.batches ?? defaults.batches
    const tasks = [
      ...lengths.map((tokens): PeerTask => ({ kind: 'prefill', sequences: 1, tokens })),
      ...batches.map((one): PeerTask => ({ kind: 'decode', ...one })),
    ]
    const shapes = (settings.shapes ?? [namedShape('llama-3-8b')]).map((shape) => ({
      ...shape,
      dtype: this.#given.dtype ?? (device.isGpu ? 'bfloat16' : 'float32'),
    }))
    const engineCells = await this.#engineCells(defaults.engine)
    const attentionCells = await this.#attentionCells(shapes, tasks)
    const leastMs = this.#leastMs()
    return {
      protocol: {
        ...attentionProtocol(this.#context, leastMs, this.#threads),
        processes:
          'each peer has one of its own; blocks alternate: one measures while the others rest',
        peersTimer: device.isGpu ? 'CUDA events of each process' : 'the clock of each process',
        peersData: 'the same numbers as ours, in the order of axes that the peer takes',
        pytorch:
          'the faster of [token, head, dim] and [head, token, dim]; KV heads grouped if taken',
        onnxruntime:
          'writes the new keys and values into the past, in place; ours are in the cache already',
        ...(device.isGpu && {
          burst: 'launches of the first 60 ms after a pause of 0.8 s, twice',
        }),
        flop: '4 x pairs x query heads x head dim; masked pairs do not count',
        engines: 'the same file, threads and prompts of random tokens; without prefix sharing',
        enginesCheck:
          'greedy answers to questions, until our best two logits are within 0.5; ours the same from both caches, in any batch, after preemption',
        llamaBatch: 'the better of 512 and 1024 tokens',
        versions: this.#versions,
      },
      workload: {
        ...attentionWorkload(shapes),
        lengths: [...lengths],
        batches: batches.map((one) => ({ ...one })),
        engineModel: this.#model?.name ?? null,
        engineTasks: defaults.engine.map(engineTaskName),
      },
      cells: [...engineCells, ...attentionCells],
      close: () => this.#close(),
    }
  }

  #leastMs(): number {
    const { device, settings } = this.#context
    if (settings.quick) return 10
    return device.isGpu ? 40 : 100
  }

  async #attentionCells(
    shapes: readonly NamedShape[],
    tasks: readonly PeerTask[],
  ): Promise<Cell[]> {
    const { device, settings } = this.#context
    const peers: AttentionPeer[] = []
    for (const name of ['torch', 'onnxruntime'] as const) {
      const program = await this.#openPeer(name)
      if (program) peers.push({ name, program })
    }
    if (peers.length === 0) return []
    const bench = await AttentionBench.open(this.#context, this.#parts.openBackends, this.#threads)
    this.#bench = bench
    const caches = settings.caches ?? [namedCache(device.isGpu ? 'interleaved' : 'split')]
    const rounds = {
      most: settings.quick ? 5 : 40,
      least: settings.quick ? 2 : 6,
      warmUp: 1,
    }
    return shapes.flatMap((shape) => {
      const cells = { bench, shape, peers, rounds, leastMs: this.#leastMs() }
      const kinds = [...new Set(tasks.map(({ kind }) => kind))]
      return kinds.flatMap((kind) => {
        const pairings = bench.pairings(shape, caches, [kind])
        const own = tasks.filter((task) => task.kind === kind)
        return own.map((task) => attentionCell({ ...cells, pairings }, task))
      })
    })
  }

  /** Nothing where a peer or the model is missing: the reason is recorded. */
  async #engineCells(tasks: readonly EngineTask[]): Promise<Cell[]> {
    const { device, settings, recorder, signal } = this.#context
    if (device.isGpu) {
      recorder.skip(peerEngine, 'not available: the engine computes on the CPU only so far')
      return []
    }
    const peer = await this.#openPeer('llama')
    if (!peer) return []
    let path: string
    try {
      path = this.#parts.modelPath(this.#given.model)
      this.#model = await this.#parts.openModel(path, this.#threads, signal)
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error
      recorder.skip(peerEngine, error)
      return []
    }
    const cells = {
      context: this.#context,
      model: this.#model,
      modelPath: path,
      cache: settings.caches?.[0] ?? namedCache('split'),
      peer,
      rounds: settings.quick ? { most: 3, least: 1 } : { most: 10, least: 3 },
      threads: this.#threads,
      // Of the demo's model.
      isJudged: !settings.quick && this.#given.model === undefined,
    }
    return [engineCell(cells, tasks)]
  }

  async #openPeer(name: PeerName): Promise<PeerProgram | undefined> {
    if (this.#given.peers && !this.#given.peers.includes(name)) return undefined
    try {
      const program = await this.#parts.openPeer(name, {
        isGpu: this.#context.device.isGpu,
        threads: this.#threads,
        python: this.#given.python ?? 'python3',
        install: this.#given.install ?? false,
      })
      this.#programs.push(program)
      Object.assign(this.#versions, program.versions)
      return program
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error
      this.#context.recorder.skip(name === 'llama' ? peerEngine : name, error)
      return undefined
    }
  }

  async #close(): Promise<void> {
    this.#bench?.[Symbol.dispose]()
    this.#model?.close()
    await Promise.all(this.#programs.map((program) => program.end()))
  }
}
