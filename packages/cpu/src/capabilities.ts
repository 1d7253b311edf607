import type { Capabilities, DType, SizeSet } from '@vattention/interface'

const floats: readonly DType[] = ['float32', 'float16', 'bfloat16']
const headDims: SizeSet = { multipleOf: 8, atMost: 512 }

/** What attention on the CPU can do. */
export const cpuCapabilities: Capabilities = Object.freeze<Capabilities>({
  deviceType: 'cpu',
  computeCapabilities: [],
  dtypes: floats,
  // In any combination with the query's dtype.
  kvDtypes: floats,
  headDims: { key: headDims, value: headDims },
  groupSizes: 'any',
  cacheKinds: ['contiguous', 'paged'],
  layouts: 'any',
  poolLayouts: ['nhd', 'paged-attention'],
  blockTokens: 'any',
  causal: true,
  nonCausal: true,
  slidingWindow: true,
  softCap: true,
  alibi: true,
  sinks: true,
  lse: true,
  prefill: true,
  decode: true,
  mixedBatches: true,
  append: true,
  graphLevel: 'never',
  batchInvariant: 'always',
  tailRows: 0,
  leadRows: 0,
  // Positions are 32-bit integers with room for differences.
  maxLength: 2 ** 30,
})
