/** Rope scaling as a Hugging Face config describes it. */
import type { Refusals } from './unsupported.ts'

/** What scaling does to positions and frequencies. */
export interface RopeScaling {
  /** Positions are divided by it. */
  readonly scale: number
  /** `[ropeDims / 2]`: each frequency is divided by its factor. */
  readonly factors?: Float32Array
}

/** `rope_scaling` (or, since transformers 5, `rope_parameters`) of a config.json. */
export interface RopeParameters {
  readonly rope_type?: string
  /** Older name of `rope_type`. */
  readonly type?: string
  readonly rope_theta?: number
  readonly factor?: number
  readonly low_freq_factor?: number
  readonly high_freq_factor?: number
  readonly original_max_position_embeddings?: number
}

/** Reads scaling, refusing kinds that the engine does not compute. */
export function readRopeScaling(
  parameters: RopeParameters | null | undefined,
  ropeBase: number,
  ropeDims: number,
  refusals: Refusals,
): RopeScaling {
  const type = parameters?.rope_type ?? parameters?.type ?? 'default'
  switch (type) {
    case 'default':
      return { scale: 1 }
    case 'linear':
      return { scale: parameters?.factor ?? 1 }
    case 'llama3':
      return { scale: 1, factors: llama3Factors(parameters!, ropeBase, ropeDims) }
    default:
      refusals.add('rope_type', type, 'default, linear or llama3')
      return { scale: 1 }
  }
}

/**
 * Llama 3.1's scaling: frequencies with wavelengths beyond the original context are divided by
 * `factor`, short ones are kept, and those between are blended.
 */
export function llama3Factors(
  parameters: RopeParameters,
  ropeBase: number,
  ropeDims: number,
): Float32Array {
  const {
    factor = 8,
    low_freq_factor: low = 1,
    high_freq_factor: high = 4,
    original_max_position_embeddings: context = 8192,
  } = parameters
  return Float32Array.from({ length: ropeDims / 2 }, (_, i) => {
    const wavelength = 2 * Math.PI * ropeBase ** ((2 * i) / ropeDims)
    if (wavelength < context / high) return 1
    if (wavelength > context / low) return factor
    const smooth = (context / wavelength - low) / (high - low)
    return 1 / ((1 - smooth) / factor + smooth)
  })
}
