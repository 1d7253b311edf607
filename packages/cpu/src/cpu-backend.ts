import { cpu, errors, optionReasons, positiveInteger } from '@vattention/interface'

import { TableBackend } from '../../../native/node/attention/table-backend.ts'
import { addon } from './addon.ts'
import { cpuCapabilities } from './capabilities.ts'

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
export class CpuBackend extends TableBackend {
  /** The instruction set that the kernels use here: `AVX3` (AVX-512), `AVX2`, `SSE2`, `NEON`. */
  readonly target: string

  /** @throws `ERR_VATTENTION_INVALID_OPTIONS`, `ERR_VATTENTION_NATIVE_LOAD`. */
  constructor(options: CpuBackendOptions = {}) {
    const reasons = optionReasons(options, {
      threads: {
        expected: 'an integer of 1 to 1024',
        check: (value) => positiveInteger.check(value) && (value as number) <= 1024,
      },
    })
    if (reasons.length > 0) throw errors.invalidOptions('The CPU backend', reasons)
    const native = addon()
    super({
      name: 'cpu',
      device: cpu,
      capabilities: cpuCapabilities,
      addon: native,
      threads: options.threads ?? 0,
    })
    this.target = native.target
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
