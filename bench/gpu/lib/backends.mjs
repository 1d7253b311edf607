// The backends that this machine and this build have, each by the name it has everywhere.

/** Package, and what makes it there. */
const makers = {
  'flash-attention-2': ['@vattention/flash-attention-2', 'createBackend'],
  'flash-attention-3': ['@vattention/flash-attention-3', 'createBackend'],
  flashinfer: ['@vattention/flashinfer', 'createBackend'],
  'flashinfer-hopper': ['@vattention/flashinfer', 'createFlashInferHopperBackend'],
  'paged-attention': ['@vattention/paged-attention', 'createBackend'],
  cpu: ['@vattention/cpu', 'createBackend'],
}

/** Short names, for cases and figures. */
export const shortNames = {
  'flash-attention-2': 'fa2',
  'flash-attention-3': 'fa3',
  flashinfer: 'flashinfer',
  'flashinfer-hopper': 'flashinfer-hopper',
  'paged-attention': 'paged-attention',
  cpu: 'cpu',
}

/**
 * Opens backends; what there is not is skipped with its reason.
 *
 * @param {object} gpu
 * @param {readonly string[]} names
 * @param {{ skip(name: string, reason: unknown): void }} result
 * @returns {Promise<Map<string, object>>} by name
 */
export async function openBackends(gpu, names, result) {
  const found = new Map()
  for (const name of gpu.isGpu ? names : ['cpu']) {
    try {
      const [packageName, maker] = makers[name]
      const { [maker]: create } = await import(packageName)
      if (!create) throw new Error(`${packageName} has no ${maker}`)
      found.set(name, create(gpu.isGpu ? { device: gpu.device } : {}))
    } catch (error) {
      result.skip(name, error)
    }
  }
  return found
}

/** Why a backend cannot serve a configuration, in one line; undefined when it can. */
export function refusal(backend, config) {
  const reasons = backend.validate(config)
  return reasons.length === 0 ? undefined : reasons.map(({ message }) => message).join('; ')
}
