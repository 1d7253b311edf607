import {
  CudaBackend,
  type CudaBackendOptions,
} from '../../../native/node/attention/cuda-backend.ts'
import { addon } from './addon.ts'
import { flashInferHopperCapabilities, hopper } from './capabilities.ts'

/**
 * FlashInfer on one Hopper GPU: prompts and chunks go through its kernels for Hopper, where keys and
 * values lie alike, rows that decode through those that `FlashInferBackend` uses.
 */
export class FlashInferHopperBackend extends CudaBackend {
  /**
   * @throws `ERR_VATTENTION_INVALID_OPTIONS`, `ERR_VATTENTION_NATIVE_LOAD` where the addon was not
   * built, `ERR_VATTENTION_BACKEND_UNAVAILABLE` where there is no such GPU.
   */
  constructor(options: CudaBackendOptions = {}) {
    super(
      {
        name: 'flashinfer-hopper',
        addon: addon().hopper,
        capabilities: flashInferHopperCapabilities,
        archs: hopper,
      },
      options,
    )
  }
}

/**
 * FlashInfer on one Hopper GPU, with its kernels for Hopper. Used as `createFlashInferBackend`.
 *
 * @throws `ERR_VATTENTION_INVALID_OPTIONS`, `ERR_VATTENTION_NATIVE_LOAD`,
 * `ERR_VATTENTION_BACKEND_UNAVAILABLE`.
 */
export function createFlashInferHopperBackend(
  options?: CudaBackendOptions,
): FlashInferHopperBackend {
  return new FlashInferHopperBackend(options)
}
