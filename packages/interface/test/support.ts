import type { AttentionBackend, AttentionConfig, Capabilities, KvCacheShape } from '../src/index.ts'
import { cpu, validateConfig } from '../src/index.ts'

export const shape: KvCacheShape = {
  layers: 2,
  kvHeads: 2,
  headDim: 64,
  valueHeadDim: 64,
  dtype: 'bfloat16',
  maxSequences: 4,
  maxLength: 1024,
}

export const config: AttentionConfig = {
  cache: { kind: 'contiguous', shape },
  queryHeads: 8,
  dtype: 'bfloat16',
}

export const capabilities: Capabilities = {
  deviceType: 'cpu',
  computeCapabilities: [],
  dtypes: ['bfloat16', 'float32'],
  kvDtypes: ['bfloat16'],
  headDims: [64, 128],
  groupSizes: [1, 2, 4],
  cacheKinds: ['contiguous'],
  layouts: ['split'],
  poolLayouts: [],
  blockTokens: [],
  causal: true,
  nonCausal: false,
  slidingWindow: false,
  softCap: false,
  alibi: false,
  sinks: false,
  lse: false,
  prefill: true,
  decode: true,
  mixedBatches: true,
  append: true,
  graphLevel: 'never',
  batchInvariant: 'never',
  tailRows: 0,
  leadRows: 0,
  maxLength: 4096,
}

/** A backend that only answers questions: selection needs nothing else. */
export function answering(name: string, changes: Partial<Capabilities> = {}): AttentionBackend {
  const own = { ...capabilities, ...changes }
  const refuse = () => {
    throw new Error('only validate is asked here')
  }
  return {
    name,
    device: cpu,
    capabilities: own,
    validate: (asked) => validateConfig(own, asked),
    createPlan: refuse,
    merge: refuse,
    [Symbol.dispose]: () => undefined,
  }
}
