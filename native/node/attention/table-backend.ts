import {
  checkMerge,
  describeCache,
  deviceIndex,
  deviceName,
  errors,
  sameDevice,
  tensorReasons,
  validateConfig,
  type AttentionBackend,
  type AttentionConfig,
  type AttentionPartial,
  type Capabilities,
  type Device,
  type PlanLimits,
  type Reason,
  type Stream,
  type Tensor,
} from '@vattention/interface'

import { callNative } from '../native-error.ts'
import { tensorRecordLength, writeTensorRecord } from '../tensor-record.ts'
import type { BackendAddon } from './backend-addon.ts'
import { limitReasons } from './plan-limits.ts'
import { TablePlan } from './table-plan.ts'

/** What makes one backend differ from another. */
export interface TableBackendOptions {
  /** `flash-attention-3` */
  readonly name: string
  readonly device: Device
  readonly capabilities: Capabilities
  readonly addon: BackendAddon
  /** CPU: threads of a plan. Defaults to `0`: one per core. */
  readonly threads?: number
}

/** A backend of a C table: all of them but for their options and capabilities. */
export abstract class TableBackend implements AttentionBackend {
  readonly name: string
  readonly device: Device
  readonly capabilities: Capabilities
  /** For plans of model runners in other addons. */
  readonly native: object
  readonly #addon: BackendAddon
  readonly #threads: number
  #disposed = false

  protected constructor({ name, device, capabilities, addon, threads = 0 }: TableBackendOptions) {
    this.name = name
    this.device = device
    this.capabilities = capabilities
    this.native = addon.backend
    this.#addon = addon
    this.#threads = threads
  }

  validate(config: AttentionConfig): readonly Reason[] {
    return [...validateConfig(this.capabilities, config), ...this.#deviceReasons(config)]
  }

  /**
   * @throws `ERR_VATTENTION_BACKEND_UNSUPPORTED` with all reasons against the configuration,
   * `ERR_VATTENTION_INVALID_OPTIONS` with all against the limits, `ERR_VATTENTION_INVALID_TENSOR` for
   * scales that do not fit, `ERR_VATTENTION_OUT_OF_MEMORY`, `ERR_VATTENTION_DISPOSED`.
   */
  createPlan(config: AttentionConfig, limits: PlanLimits): TablePlan {
    this.#check()
    const reasons = this.validate(config)
    if (reasons.length > 0) throw errors.backendUnsupported(this.name, reasons)
    const { graphLevel, batchInvariant } = this.capabilities
    const wrong = limitReasons(limits, graphLevel)
    if (wrong.length > 0) throw errors.invalidOptions('A plan', wrong)
    const scales = this.#scaleReasons(config)
    if (scales.length > 0) throw errors.invalidTensor('fp8Scales', scales)
    return new TablePlan(this.#addon, config, limits, {
      device: this.device,
      threads: this.#threads,
      batchInvariant: batchInvariant === 'always',
    })
  }

  /** On a GPU enqueued on `stream`, which defaults to the device's default stream. */
  merge(
    partials: readonly AttentionPartial[],
    into: { output: Tensor; lse?: Tensor },
    stream: Stream = { device: this.device, handle: 0n },
  ): void {
    this.#check()
    checkMerge(this, partials, into)
    if (!sameDevice(stream.device, this.device)) {
      const [expected, found] = [this.device, stream.device].map(deviceName)
      throw errors.invalidArgument('stream', `a stream of ${expected}`, found!)
    }
    const count = partials.length
    const records = new Float64Array((2 * count + 2) * tensorRecordLength)
    partials.forEach(({ output, lse }, i) => {
      writeTensorRecord(records, 2 * i, output)
      writeTensorRecord(records, 2 * i + 1, lse)
    })
    writeTensorRecord(records, 2 * count, into.output)
    writeTensorRecord(records, 2 * count + 1, into.lse)
    callNative(() => this.#addon.merge(records, count, deviceIndex(this.device), stream.handle))
  }

  /** No plan can be made any more; those that exist stay. Idempotent. */
  dispose(): void {
    this.#disposed = true
  }

  [Symbol.dispose](): void {
    this.dispose()
  }

  #check(): void {
    if (this.#disposed) throw errors.disposed(`The backend ${this.name}`)
  }

  /** Capabilities know of types of devices; a live cache is on one of them. */
  #deviceReasons({ cache }: AttentionConfig): Reason[] {
    if (!('view' in cache)) return []
    const { type } = this.device
    if (cache.device.type !== type || sameDevice(cache.device, this.device)) return []
    const [expected, found] = [this.device, cache.device].map(deviceName) as [string, string]
    const message = `a cache on ${expected} required, found ${found}`
    return [{ code: 'device', message, expected, found }]
  }

  #scaleReasons({ fp8Scales, cache }: AttentionConfig): Reason[] {
    if (!fp8Scales) return []
    const { kvHeads, maxSequences } = describeCache(cache).shape
    return Object.entries(fp8Scales).flatMap(([name, scale]: [string, Tensor | undefined]) => {
      if (scale === undefined) return []
      // One row for all, or one for each slot.
      const rows = scale.shape[0] === 1 ? 1 : maxSequences
      const { device } = this
      return tensorReasons(name, scale, { shape: [rows, kvHeads], dtype: 'float32', device })
    })
  }
}
