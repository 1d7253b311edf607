import { read, write } from '@vattention/core'
import { createCpuBackend } from '@vattention/cpu'
import type {
  AttentionBackend,
  AttentionConfig,
  AttentionPlan,
  PlanLimits,
  RunArguments,
  Tensor,
} from '@vattention/interface'

import type { OpenBackends } from '../../../src/harness/index.ts'

/** What is done around a kernel. */
export interface Wrapping {
  /** Called after each run of attention. */
  readonly afterRun?: (args: RunArguments) => void
}

/** Attention on the CPU, and something behind each run of it. */
class WrappedBackend implements AttentionBackend {
  readonly name: string
  readonly #cpu = createCpuBackend({ threads: 1 })
  readonly #wrapping: Wrapping

  constructor(name: string, wrapping: Wrapping) {
    this.name = name
    this.#wrapping = wrapping
  }

  get device() {
    return this.#cpu.device
  }
  get capabilities() {
    return this.#cpu.capabilities
  }

  validate(config: AttentionConfig) {
    return this.#cpu.validate(config)
  }

  createPlan(config: AttentionConfig, limits: PlanLimits): AttentionPlan {
    const plan = this.#cpu.createPlan(config, limits)
    const run = (args: RunArguments) => {
      plan.run(args)
      this.#wrapping.afterRun?.(args)
    }
    return {
      prepare: (batch) => plan.prepare(batch),
      run,
      runAsync: (args) => Promise.resolve(run(args)),
      append: (args) => plan.append(args),
      workspaceBytes: plan.workspaceBytes,
      [Symbol.dispose]: () => plan[Symbol.dispose](),
    }
  }

  merge(...args: Parameters<AttentionBackend['merge']>): void {
    this.#cpu.merge(...args)
  }

  [Symbol.dispose](): void {
    this.#cpu[Symbol.dispose]()
  }
}

/** Multiplies a tensor, in place. */
export function scale(tensor: Tensor, factor: number): void {
  write(
    tensor,
    Float32Array.from(read(tensor), (value) => value * factor),
  )
}

/** Opens backends by name, all of them attention on the CPU with something behind each run. */
export const wrappedBackends =
  (wrappings: Readonly<Record<string, Wrapping>>): OpenBackends =>
  () => {
    const found = new Map<string, AttentionBackend>(
      Object.entries(wrappings).map(([name, one]) => [name, new WrappedBackend(name, one)]),
    )
    return Promise.resolve({
      found,
      missing: [],
      [Symbol.dispose]: () => found.forEach((one) => one[Symbol.dispose]()),
    })
  }
