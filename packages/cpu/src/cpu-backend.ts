import {
  checkMerge,
  cpu,
  errors,
  optionReasons,
  positiveInteger,
  validateConfig,
  type AttentionBackend,
  type AttentionConfig,
  type AttentionPartial,
  type Device,
  type PlanLimits,
  type Reason,
  type Stream,
  type Tensor,
} from '@vattention/interface'

import { callNative } from '../../../native/node/native-error.ts'
import { tensorRecordLength, writeTensorRecord } from '../../../native/node/tensor-record.ts'
import { addon } from './addon.ts'
import { cpuCapabilities } from './capabilities.ts'
import { CpuPlan } from './cpu-plan.ts'
import { limitReasons } from './plan-limits.ts'

/** How attention on the CPU is made. */
export interface CpuBackendOptions {
  /**
   * Threads that a plan computes with, the calling one included. Defaults to one per core that this
   * process may use.
   */
  readonly threads?: number
}

/**
 * Attention on the CPU, over contiguous and paged caches. A row's result depends on its query, the
 * keys and values it sees and their positions, and on nothing else.
 */
export class CpuBackend implements AttentionBackend {
  readonly name = 'cpu'
  readonly device: Device = cpu
  readonly capabilities = cpuCapabilities
  /** For plans of model runners in other addons. */
  readonly native: object
  /** The instruction set that the kernels use here: `AVX3` (AVX-512), `AVX2`, `SSE2`, `NEON`. */
  readonly target: string
  readonly #threads: number
  #disposed = false

  /** @throws `ERR_VATTENTION_INVALID_OPTIONS`, `ERR_VATTENTION_NATIVE_LOAD`. */
  constructor(options: CpuBackendOptions = {}) {
    const reasons = optionReasons(options, {
      threads: {
        expected: 'an integer of 1 to 1024',
        check: (value) => positiveInteger.check(value) && (value as number) <= 1024,
      },
    })
    if (reasons.length > 0) throw errors.invalidOptions('The CPU backend', reasons)
    this.#threads = options.threads ?? 0
    const { backend, target } = addon()
    this.native = backend
    this.target = target
  }

  validate(config: AttentionConfig): readonly Reason[] {
    return validateConfig(this.capabilities, config)
  }

  /**
   * @throws `ERR_VATTENTION_BACKEND_UNSUPPORTED` with all reasons against the configuration,
   * `ERR_VATTENTION_INVALID_OPTIONS` with all against the limits, `ERR_VATTENTION_OUT_OF_MEMORY`,
   * `ERR_VATTENTION_DISPOSED`.
   */
  createPlan(config: AttentionConfig, limits: PlanLimits): CpuPlan {
    if (this.#disposed) throw errors.disposed('The CPU backend')
    const reasons = this.validate(config)
    if (reasons.length > 0) throw errors.backendUnsupported(this.name, reasons)
    const wrong = limitReasons(limits)
    if (wrong.length > 0) throw errors.invalidOptions('A plan', wrong)
    return new CpuPlan(config, limits, this.#threads)
  }

  merge(
    partials: readonly AttentionPartial[],
    into: { output: Tensor; lse?: Tensor },
    _stream?: Stream,
  ): void {
    if (this.#disposed) throw errors.disposed('The CPU backend')
    checkMerge(this, partials, into)
    const count = partials.length
    const records = new Float64Array((2 * count + 2) * tensorRecordLength)
    partials.forEach(({ output, lse }, i) => {
      writeTensorRecord(records, 2 * i, output)
      writeTensorRecord(records, 2 * i + 1, lse)
    })
    writeTensorRecord(records, 2 * count, into.output)
    writeTensorRecord(records, 2 * count + 1, into.lse)
    callNative(() => addon().merge(records, count))
  }

  /** No plan can be made any more; those that exist stay. Idempotent. */
  dispose(): void {
    this.#disposed = true
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}

/**
 * Attention on the CPU.
 *
 * @example
 * ```ts
 * using backend = createCpuBackend()
 * using plan = backend.createPlan(
 *   { cache, queryHeads: 9, dtype: 'bfloat16' },
 *   { maxSequences: 8, maxTokens: 512, maxLength: 2048 },
 * )
 * plan.prepare({ cache, sequences, queryLengths, kvLengths })
 * for (let layer = 0; layer < 30; layer++) plan.run({ layer, query, key, value, output })
 * ```
 * @throws `ERR_VATTENTION_INVALID_OPTIONS`, `ERR_VATTENTION_NATIVE_LOAD`.
 */
export function createCpuBackend(options?: CpuBackendOptions): CpuBackend {
  return new CpuBackend(options)
}
