import {
  deviceName,
  errors,
  optionReasons,
  type AttentionConfig,
  type Capabilities,
  type Device,
  type OptionRule,
  type Reason,
} from '@vattention/interface'

import { computeCapabilities, runsOn, type BuiltKernels } from './built-kernels.ts'
import {
  builtKernels,
  cudaDevices,
  type CudaAddon,
  type CudaDevice,
  type CudaDevices,
} from './cuda-addon.ts'
import { TableBackend } from './table-backend.ts'

/** How a backend on CUDA is made. */
export interface CudaBackendOptions {
  /** The GPU that it computes on. Defaults to `{ type: 'cuda', index: 0 }`. */
  readonly device?: Device
}

/** What makes one backend on CUDA differ from another. */
export interface CudaBackendTraits {
  /** `flash-attention-3` */
  readonly name: string
  readonly addon: CudaAddon
  /** What kernels of a build can do. */
  capabilities(built: BuiltKernels): Capabilities
  /** Which architectures of a build it has kernels for. */
  archs(built: BuiltKernels): readonly string[]
}

const rules: Record<keyof CudaBackendOptions, OptionRule> = {
  device: {
    expected: "{ type: 'cuda', index: 0 or more }",
    check: (value) => {
      const { type, index } = (value ?? {}) as { type?: unknown; index?: unknown }
      return type === 'cuda' && Number.isSafeInteger(index) && (index as number) >= 0
    },
  },
}

/** The GPU numbered `index`. */
function findDevice(name: string, index: number, found: CudaDevices): CudaDevice {
  const device = found.devices[index]
  if (device) return device
  const { reason, call, code } = found.failed ?? {
    reason: `there is no cuda:${index}, only ${found.devices.map((_, i) => `cuda:${i}`).join(', ')}`,
    call: 'cudaGetDeviceCount',
    code: 0,
  }
  throw errors.backendUnavailable(name, reason, call, code)
}

/** A backend of a C table whose plans compute on a GPU. */
export abstract class CudaBackend extends TableBackend {
  /** What its kernels were compiled for. */
  readonly built: BuiltKernels
  /** The GPU that it computes on. */
  readonly gpu: CudaDevice
  readonly #archs: readonly string[]

  protected constructor(traits: CudaBackendTraits, options: CudaBackendOptions) {
    const { name, addon } = traits
    const reasons = optionReasons(options, rules)
    if (reasons.length > 0) throw errors.invalidOptions(`The backend ${name}`, reasons)
    const { device = { type: 'cuda', index: 0 } } = options
    const built = builtKernels(addon)
    const gpu = findDevice(name, device.type === 'cuda' ? device.index : 0, cudaDevices(addon))
    super({ name, device, capabilities: traits.capabilities(built), addon })
    this.built = built
    this.gpu = gpu
    this.#archs = traits.archs(built)
  }

  override validate(config: AttentionConfig): readonly Reason[] {
    return [...super.validate(config), ...this.#gpuReasons()]
  }

  #gpuReasons(): Reason[] {
    const { computeCapability: found, name } = this.gpu
    if (runsOn(this.#archs, found)) return []
    const expected = computeCapabilities(this.#archs).join(' or ') || 'none that was built'
    const message = `compute capability ${expected} required, found ${found} (${deviceName(this.device)}, ${name})`
    return [{ code: 'computeCapability', message, expected, found }]
  }
}
