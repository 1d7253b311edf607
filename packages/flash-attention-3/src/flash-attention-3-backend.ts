import {
  CudaBackend,
  type CudaBackendOptions,
} from '../../../native/node/attention/cuda-backend.ts'
import { addon } from './addon.ts'
import { flashAttention3Capabilities, hopper } from './capabilities.ts'

/**
 * FlashAttention-3 on one Hopper GPU, over contiguous and paged caches. Several prompts at once over
 * a contiguous cache go through the tensor memory accelerator where the cache has `tailRows` of at
 * least 128, and through a page table where it has fewer; a long one alone always takes the former.
 */
export class FlashAttention3Backend extends CudaBackend {
  /**
   * @throws `ERR_VATTENTION_INVALID_OPTIONS`, `ERR_VATTENTION_NATIVE_LOAD` where the addon was not
   * built, `ERR_VATTENTION_BACKEND_UNAVAILABLE` where there is no such GPU.
   */
  constructor(options: CudaBackendOptions = {}) {
    super(
      {
        name: 'flash-attention-3',
        addon: addon(),
        capabilities: flashAttention3Capabilities,
        archs: hopper,
      },
      options,
    )
  }
}

/**
 * FlashAttention-3 on one Hopper GPU.
 *
 * @example
 * ```ts
 * using cache = new ContiguousKvCache({ ...shape, device, limitBytes, tailRows: 128 })
 * using backend = createFlashAttention3Backend({ device })
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
export function createFlashAttention3Backend(options?: CudaBackendOptions): FlashAttention3Backend {
  return new FlashAttention3Backend(options)
}
