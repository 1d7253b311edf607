import type { AttentionConfig, Reason } from '@vattention/interface'

import { causalAlibiReasons } from '../../../native/node/attention/causal-alibi.ts'
import {
  CudaBackend,
  type CudaBackendOptions,
} from '../../../native/node/attention/cuda-backend.ts'
import { addon } from './addon.ts'
import { flashAttention2Capabilities } from './capabilities.ts'

/** FlashAttention-2 on one GPU, over contiguous and paged caches. */
export class FlashAttention2Backend extends CudaBackend {
  /**
   * @throws `ERR_VATTENTION_INVALID_OPTIONS`, `ERR_VATTENTION_NATIVE_LOAD` where the addon was not
   * built, `ERR_VATTENTION_BACKEND_UNAVAILABLE` where there is no such GPU.
   */
  constructor(options: CudaBackendOptions = {}) {
    super(
      {
        name: 'flash-attention-2',
        addon: addon(),
        capabilities: flashAttention2Capabilities,
        archs: ({ archs }) => archs,
      },
      options,
    )
  }

  override validate(config: AttentionConfig): readonly Reason[] {
    return [...super.validate(config), ...causalAlibiReasons(config)]
  }
}

/**
 * FlashAttention-2 on one GPU.
 *
 * @example
 * ```ts
 * using backend = createFlashAttention2Backend({ device: { type: 'cuda', index: 0 } })
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
export function createFlashAttention2Backend(options?: CudaBackendOptions): FlashAttention2Backend {
  return new FlashAttention2Backend(options)
}
