import {
  checkMerge,
  cpu,
  errors,
  validateConfig,
  type AttentionBackend,
  type AttentionConfig,
  type AttentionPartial,
  type AttentionPlan,
  type Capabilities,
  type PlanLimits,
  type Reason,
  type Tensor,
} from '@vattention/interface'
import { read, write } from '@vattention/core'

import { NaivePlan } from './naive-plan.ts'

/**
 * What this backend can do, as data. Selection and validation follow from it, and so does what the
 * conformance kit asks: soft caps, ALiBi and sinks are left out here, and reported as skipped there.
 */
const capabilities: Capabilities = {
  deviceType: 'cpu',
  computeCapabilities: [],
  dtypes: ['float32', 'bfloat16'],
  kvDtypes: ['float32', 'bfloat16'],
  headDims: 'any',
  groupSizes: 'any',
  cacheKinds: ['contiguous', 'paged'],
  layouts: 'any', // strides come with every tensor
  poolLayouts: ['nhd'],
  blockTokens: 'any',
  causal: true,
  nonCausal: true,
  slidingWindow: true,
  softCap: false,
  alibi: false,
  sinks: false,
  lse: true,
  prefill: true,
  decode: true,
  mixedBatches: true,
  append: true,
  graphLevel: 'never',
  batchInvariant: 'always',
  tailRows: 0,
  leadRows: 0,
  maxLength: 1024, // plain loops are for reading, not for long contexts
}

/** Attention in plain loops over any cache on the CPU. */
export class NaiveBackend implements AttentionBackend {
  readonly name = 'naive'
  readonly device = cpu
  readonly capabilities = capabilities
  #disposed = false

  validate(config: AttentionConfig): readonly Reason[] {
    return validateConfig(capabilities, config)
  }

  createPlan(config: AttentionConfig, limits: PlanLimits): AttentionPlan {
    if (this.#disposed) throw errors.disposed('The backend')
    const reasons = this.validate(config)
    if (reasons.length > 0) throw errors.backendUnsupported(this.name, reasons)
    return new NaivePlan(config, limits)
  }

  /** Weighs each partial output by how much of the softmax its keys make up. */
  merge(partials: readonly AttentionPartial[], into: { output: Tensor; lse?: Tensor }): void {
    checkMerge(this, partials, into)
    const [tokens, heads, dim] = into.output.shape as [number, number, number]
    const outputs = partials.map(({ output }) => read(output))
    const lses = partials.map(({ lse }) => read(lse))
    const output = new Float32Array(tokens * heads * dim)
    const lse = new Float32Array(tokens * heads).fill(-Infinity)
    for (let row = 0; row < lse.length; row++) {
      const highest = Math.max(...lses.map((values) => values[row]!))
      if (highest === -Infinity) continue // nobody saw a key: zeros
      const weights = lses.map((values) => Math.exp(values[row]! - highest))
      const sum = weights.reduce((total, weight) => total + weight, 0)
      for (const [i, weight] of weights.entries()) {
        if (weight === 0) continue
        for (let d = row * dim; d < (row + 1) * dim; d++) {
          output[d]! += (weight / sum) * outputs[i]![d]!
        }
      }
      lse[row] = highest + Math.log(sum)
    }
    write(into.output, output)
    if (into.lse) write(into.lse, lse)
  }

  [Symbol.dispose](): void {
    this.#disposed = true
  }
}
