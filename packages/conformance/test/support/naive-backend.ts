/** A backend in plain loops with every feature: slow, right, and wrong on demand. */
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

import { limitReasons } from '../../../../native/node/attention/plan-limits.ts'
import { allCapabilities } from '../../src/backend/needs.ts'
import type { Memory } from '../../src/memory.ts'
import type { Mutation } from './mutations.ts'
import { NaivePlan } from './naive-plan.ts'

export class NaiveBackend implements AttentionBackend {
  readonly name = 'naive'
  readonly device = cpu
  readonly capabilities: Capabilities
  readonly #memory: Memory
  readonly #mutation: Mutation | undefined
  #disposed = false

  constructor(memory: Memory, mutation?: Mutation, capabilities: Partial<Capabilities> = {}) {
    this.#memory = memory
    this.#mutation = mutation
    this.capabilities = { ...allCapabilities, headDims: [32, 64], ...capabilities }
  }

  validate(config: AttentionConfig): readonly Reason[] {
    const reasons = validateConfig(this.capabilities, config)
    return this.#mutation === 'first reason only' ? reasons.slice(0, 1) : reasons
  }

  createPlan(config: AttentionConfig, limits: PlanLimits): AttentionPlan {
    if (this.#disposed) throw errors.disposed('The backend')
    const reasons = this.validate(config)
    if (reasons.length > 0) throw errors.backendUnsupported(this.name, reasons)
    const wrong = limitReasons(limits, this.capabilities.graphLevel)
    if (wrong.length > 0 && this.#mutation !== 'limits taken as they come') {
      throw errors.invalidOptions('A plan', wrong)
    }
    return new NaivePlan(config, limits, this.#memory, this.#mutation)
  }

  merge(partials: readonly AttentionPartial[], into: { output: Tensor; lse?: Tensor }): void {
    checkMerge(this, partials, into)
    const outputs = partials.map(({ output }) => this.#memory.read(output))
    const logs = partials.map(({ lse }) => this.#memory.read(lse))
    const dim = into.output.shape[2]!
    const rows = into.output.shape[0]! * into.output.shape[1]!
    const output = new Float32Array(rows * dim)
    const lse = new Float32Array(rows).fill(-Infinity)
    const base = this.#mutation === 'merge in base 2' ? 2 : Math.E
    for (let row = 0; row < rows; row++) {
      const highest = Math.max(...logs.map((log) => log[row]!))
      if (highest === -Infinity) continue
      const weights = logs.map((log) => base ** (log[row]! - highest))
      if (this.#mutation === 'merge without weights') weights.fill(1)
      const sum = weights.reduce((total, weight) => total + weight, 0)
      for (let d = 0; d < dim; d++) {
        let value = 0
        for (const [i, weight] of weights.entries()) {
          if (weight > 0) value += (weight / sum) * outputs[i]![row * dim + d]!
        }
        output[row * dim + d] = value
      }
      lse[row] = highest + Math.log(sum)
    }
    this.#memory.write(into.output, output)
    if (into.lse) this.#memory.write(into.lse, lse)
  }

  [Symbol.dispose](): void {
    this.#disposed = true
  }
}
