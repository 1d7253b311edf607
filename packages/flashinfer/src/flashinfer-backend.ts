import {
  CudaBackend,
  type CudaBackendOptions,
} from '../../../native/node/attention/cuda-backend.ts'
import { addon } from './addon.ts'
import { flashInferCapabilities } from './capabilities.ts'

/** FlashInfer on one GPU, over contiguous and paged caches. */
export class FlashInferBackend extends CudaBackend {
  /**
   * @throws `ERR_VATTENTION_INVALID_OPTIONS`, `ERR_VATTENTION_NATIVE_LOAD` where the addon was not
   * built, `ERR_VATTENTION_BACKEND_UNAVAILABLE` where there is no such GPU.
   */
  constructor(options: CudaBackendOptions = {}) {
    super(
      {
        name: 'flashinfer',
        addon: addon(),
        capabilities: flashInferCapabilities,
        archs: ({ archs }) => archs,
      },
      options,
    )
  }
}

/**
 * FlashInfer on one GPU.
 *
 * @example
 * ```ts
 * using backend = createFlashInferBackend({ device: { type: 'cuda', index: 0 } })
 * using plan = backend.createPlan(
 *   { cache, queryHeads: 32, dtype: 'bfloat16' },
 *   { maxSequences: 64, maxTokens: 8192, maxLength: 131072 },
 * )
 * plan.prepare({ cache, sequences, queryLengths, kvLengths, stream })
 * for (let layer = 0; layer < 32; layer++) plan.run({ layer, query, key, value, output })
 * ```
 * @throws `ERR_VATTENTION_INVALID_OPTIONS`, `ERR_VATTENTION_NATIVE_LOAD`,
 * `ERR_VATTENTION_BACKEND_UNAVAILABLE`.
 */
export function createFlashInferBackend(options?: CudaBackendOptions): FlashInferBackend {
  return new FlashInferBackend(options)
}
