import type { AttentionConfig, Reason } from '@vattention/interface'

import { causalAlibiReasons } from '../../../native/node/attention/causal-alibi.ts'
import { loadCudaAddon, type CudaAddon } from '../../../native/node/attention/cuda-addon.ts'
import {
  CudaBackend,
  type CudaBackendOptions,
} from '../../../native/node/attention/cuda-backend.ts'
import { pagedAttentionCapabilities } from './paged-attention-capabilities.ts'

let loaded: CudaAddon | undefined

/** The kernels' addon, which only builds with CUDA have: the cache needs none of it. */
function backendAddon(): CudaAddon {
  loaded ??= loadCudaAddon({
    name: '@vattention/paged-attention',
    from: import.meta.url,
    file: 'backend.node',
  })
  return loaded
}

/**
 * vLLM's PagedAttention on one GPU, over block tables in its own layout (`poolLayout:
 * 'paged-attention'`): the baseline that contiguous caches are compared with. Its kernels decode one
 * token of each sequence; whole prompts go through FlashAttention-2 over their fresh K and V, chunks
 * behind a cached prefix are gathered from the blocks first.
 */
export class PagedAttentionBackend extends CudaBackend {
  /**
   * @throws `ERR_VATTENTION_INVALID_OPTIONS`, `ERR_VATTENTION_NATIVE_LOAD` where the addon was not
   * built, `ERR_VATTENTION_BACKEND_UNAVAILABLE` where there is no such GPU.
   */
  constructor(options: CudaBackendOptions = {}) {
    super(
      {
        name: 'paged-attention',
        addon: backendAddon(),
        capabilities: pagedAttentionCapabilities,
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
 * vLLM's PagedAttention on one GPU.
 *
 * @example
 * ```ts
 * using cache = new PagedKvCache({ ...shape, device, limitBytes, poolLayout: 'paged-attention' })
 * using backend = createPagedAttentionBackend({ device })
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
export function createPagedAttentionBackend(options?: CudaBackendOptions): PagedAttentionBackend {
  return new PagedAttentionBackend(options)
}
