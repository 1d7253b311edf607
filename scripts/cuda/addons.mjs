/** Addons that run on NVIDIA GPUs, in `packages/`, by package. */
export const cudaAddons = {
  'flash-attention-2': 'addon.node',
  'flash-attention-3': 'addon.node',
  flashinfer: 'addon.node',
  'paged-attention': 'backend.node',
}
