/** What a backend case needs, and why a subject does not meet it. */
import {
  validateConfig,
  type AttentionConfig,
  type CacheDescription,
  type Capabilities,
} from '@vattention/interface'

import type { BackendSubject } from '../subject.ts'

/** A configuration whose cache is described, so that needs are data. */
export interface DescribedConfig extends AttentionConfig {
  readonly cache: CacheDescription
}

/** Capabilities that a configuration does not show. */
export type CapabilityFlag = 'prefill' | 'decode' | 'mixedBatches' | 'append' | 'nonCausal' | 'lse'

/** What a case needs of a backend. */
export interface BackendNeeds {
  /** Configurations that the capability data must allow. */
  readonly configs: readonly DescribedConfig[]
  readonly flags?: readonly CapabilityFlag[]
  /** Longest KV length. Defaults to `512`, which every backend is expected to serve. */
  readonly longest?: number
  /**
   * Features may exclude each other in ways that data cannot say: then `validate` decides too. A
   * feature alone has no such way out.
   */
  readonly combination?: boolean
  /** The subject must be able to make another backend. */
  readonly create?: boolean
  /** Streams with work that does not end at once. */
  readonly streams?: boolean
  /** Plans that decode are captured and replayed. */
  readonly graphs?: boolean
}

const flagNames: Readonly<Record<CapabilityFlag, string>> = {
  prefill: 'prefill (a query of more than one token)',
  decode: 'decode (a query of one token)',
  mixedBatches: 'prefill and decode rows in one batch',
  append: 'writing new K and V rows',
  nonCausal: 'non-causal attention',
  lse: 'LSE output',
}

/** Every reason why `needs` are not met; empty when the case applies. */
export function unmetByBackend(subject: BackendSubject, needs: BackendNeeds): string[] {
  const { backend, caches } = subject
  const reasons = new Set<string>()
  for (const flag of needs.flags ?? []) {
    if (!backend.capabilities[flag]) reasons.add(`${flagNames[flag]} is not declared`)
  }
  const { longest = 512 } = needs
  const { maxLength } = backend.capabilities
  if (longest > maxLength) {
    reasons.add(`sequences of at most ${maxLength} tokens are supported, found ${longest}`)
  }
  for (const config of needs.configs) {
    for (const { message } of validateConfig(backend.capabilities, config)) reasons.add(message)
    if (!caches[config.cache.kind]) reasons.add(`no ${config.cache.kind} cache was given`)
  }
  if (reasons.size === 0 && needs.combination) {
    for (const config of needs.configs) {
      for (const { message } of backend.validate(config)) reasons.add(message)
    }
  }
  if (needs.create && !subject.create) reasons.add('no way to create another backend was given')
  if (needs.streams && !subject.stream) reasons.add('no streams to test with were given')
  if (needs.graphs && backend.capabilities.graphLevel === 'never') {
    reasons.add('CUDA graphs of plans are not declared')
  } else if (needs.graphs && !subject.graphs) {
    reasons.add('no streams to capture were given')
  }
  return [...reasons]
}

/** Capabilities that exclude nothing, to list every case. */
export const allCapabilities: Capabilities = {
  deviceType: 'cpu',
  computeCapabilities: [],
  dtypes: ['float32', 'float16', 'bfloat16'],
  kvDtypes: ['float32', 'float16', 'bfloat16', 'float8_e4m3'],
  headDims: 'any',
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
  graphLevel: 'always',
  batchInvariant: 'always',
  tailRows: 0,
  leadRows: 0,
  maxLength: Number.MAX_SAFE_INTEGER,
}
