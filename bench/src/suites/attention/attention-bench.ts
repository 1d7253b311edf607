import {
  Noise,
  refusal,
  shortBackendName,
  Telemetry,
  Unavailable,
  type OpenBackends,
  type OpenedBackends,
} from '../../harness/index.ts'
import type { AttentionBackend } from '@vattention/interface'
import type { NamedCache, NamedShape, SuiteContext } from '../../suite/index.ts'
import { subjectName } from './cache-label.ts'
import { Pace } from './pace.ts'

/** A kernel over a kind of cache. */
export interface Pairing {
  /** `fa3 paged 16` */
  readonly name: string
  /** `fa3` */
  readonly short: string
  readonly backend: AttentionBackend
  readonly cache: NamedCache
}

interface ShapeNoise {
  /** Of keys and values. */
  readonly rows: Noise
  readonly queries: Noise
}

/** Rows of keys and values that differ; queries repeat sooner. */
const noiseRows = { gpu: { rows: 4096, queries: 1024 }, cpu: { rows: 1024, queries: 128 } }

/** What the cells of a suite share: backends, data, telemetry, and how fast things go. */
export class AttentionBench implements Disposable {
  readonly context: SuiteContext
  readonly backends: OpenedBackends
  readonly telemetry: Telemetry
  readonly pace = new Pace()
  readonly #noise = new Map<string, ShapeNoise>()

  private constructor(context: SuiteContext, backends: OpenedBackends) {
    this.context = context
    this.backends = backends
    this.telemetry = new Telemetry(context.device.info?.uuid)
    for (const { name, reason } of backends.missing) context.recorder.skip(name, reason)
  }

  /**
   * @param threads Of the CPU's backend.
   * @throws Unavailable without a backend
   */
  static async open(
    context: SuiteContext,
    open: OpenBackends,
    threads: number | undefined,
  ): Promise<AttentionBench> {
    const { device, settings } = context
    const options = threads === undefined ? {} : { threads }
    const backends = await open(device, settings.backends, options)
    if (backends.found.size === 0) {
      const reasons = backends.missing.map(({ name, reason }) => `${name}: ${reason}`)
      throw new Unavailable(`there is no backend for ${device.name} (${reasons.join('; ')})`)
    }
    return new AttentionBench(context, backends)
  }

  /**
   * Kernels over caches that they serve, backend by backend. What one refuses is recorded with its
   * reasons.
   *
   * @param tasks What all of them have to do. Default: none is left out for it.
   */
  pairings(
    shape: NamedShape,
    caches: readonly NamedCache[],
    tasks: readonly ('prefill' | 'decode')[] = [],
  ): Pairing[] {
    const found: Pairing[] = []
    for (const [backendName, backend] of this.backends.found) {
      const short = shortBackendName(backendName)
      const lacking = tasks.filter((task) => !backend.capabilities[task])
      if (lacking.length > 0) {
        this.context.recorder.skip(`${shape.name}: ${short}`, `it has no ${lacking.join(', no ')}`)
        continue
      }
      for (const cache of caches) {
        const name = subjectName(short, cache)
        const refused = refusal(backend, {
          cache: { ...cache, shape: cacheShape(shape) },
          queryHeads: shape.queryHeads,
          dtype: shape.dtype,
        })
        if (refused === undefined) found.push({ name, short, backend, cache })
        else this.context.recorder.skip(`${shape.name}: ${name}`, refused)
      }
    }
    return found
  }

  /** Data of a shape, made once. */
  noiseOf(shape: NamedShape): ShapeNoise {
    const key = [shape.queryHeads, shape.kvHeads, shape.headDim, shape.dtype].join()
    let noise = this.#noise.get(key)
    if (!noise) {
      const { device, random } = this.context
      const { queryHeads, kvHeads, headDim, dtype } = shape
      const { rows, queries } = noiseRows[device.isGpu ? 'gpu' : 'cpu']
      noise = {
        rows: new Noise(device, { rows, heads: kvHeads, headDim, dtype, random }),
        queries: new Noise(device, { rows: queries, heads: queryHeads, headDim, dtype, random }),
      }
      this.#noise.set(key, noise)
    }
    return noise
  }

  [Symbol.dispose](): void {
    this.telemetry[Symbol.dispose]()
    for (const { rows, queries } of this.#noise.values()) {
      rows[Symbol.dispose]()
      queries[Symbol.dispose]()
    }
    this.backends[Symbol.dispose]()
  }
}

const cacheShape = ({ layers, kvHeads, headDim, dtype }: NamedShape) => ({
  ...{ layers, kvHeads, headDim, valueHeadDim: headDim, dtype },
  maxSequences: 1,
  maxLength: 1,
})
