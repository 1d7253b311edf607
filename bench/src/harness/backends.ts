import { InvalidArgumentError } from 'commander'
import type { AttentionBackend, AttentionConfig, Device } from '@vattention/interface'

import type { BenchDevice } from './bench-device.ts'

/** A backend that benches know by name, whether it is installed or not. */
interface KnownBackend {
  readonly name: string
  /** In results, which have had these names from the beginning. */
  readonly shortName: string
  readonly package: string
  /** The function of the package that makes it. */
  readonly create: string
  readonly deviceType: Device['type']
}

const known: readonly KnownBackend[] = [
  {
    name: 'flash-attention-3',
    shortName: 'fa3',
    package: '@vattention/flash-attention-3',
    create: 'createBackend',
    deviceType: 'cuda',
  },
  {
    name: 'flash-attention-2',
    shortName: 'fa2',
    package: '@vattention/flash-attention-2',
    create: 'createBackend',
    deviceType: 'cuda',
  },
  {
    name: 'flashinfer',
    shortName: 'flashinfer',
    package: '@vattention/flashinfer',
    create: 'createBackend',
    deviceType: 'cuda',
  },
  {
    name: 'flashinfer-hopper',
    shortName: 'flashinfer-hopper',
    package: '@vattention/flashinfer',
    create: 'createFlashInferHopperBackend',
    deviceType: 'cuda',
  },
  {
    name: 'paged-attention',
    shortName: 'paged-attention',
    package: '@vattention/paged-attention',
    create: 'createBackend',
    deviceType: 'cuda',
  },
  {
    name: 'cpu',
    shortName: 'cpu',
    package: '@vattention/cpu',
    create: 'createBackend',
    deviceType: 'cpu',
  },
]

/** What `--backends` takes. */
export const backendNames: readonly string[] = known.map(({ name }) => name)

/** What results call a backend: `fa3`. A name that is not known stays as it is. */
export const shortBackendName = (name: string): string =>
  known.find((one) => one.name === name)?.shortName ?? name

/** What a package exports. */
type BackendModule = Readonly<
  Record<string, ((options: { device?: Device; threads?: number }) => AttentionBackend) | undefined>
>

/** Backends, and why others are not there. The caller disposes the backends. */
export interface OpenedBackends extends Disposable {
  /** By name: `flash-attention-3`. */
  readonly found: ReadonlyMap<string, AttentionBackend>
  readonly missing: readonly { readonly name: string; readonly reason: string }[]
}

/** Opens backends of a device, as `openBackends` does. Suites take one, so that tests give theirs. */
export type OpenBackends = (
  device: BenchDevice,
  asked?: readonly string[],
  options?: { readonly threads?: number },
) => Promise<OpenedBackends>

/**
 * Opens the backends that this machine and this build have for a device.
 *
 * @param asked Names; defaults to all that compute on such a device.
 * @param options `threads`: of the CPU's. Defaults to one for each core.
 * @throws InvalidArgumentError for a name that is not known
 */
export const openBackends: OpenBackends = async (device, asked, { threads } = {}) => {
  const deviceType = device.device.type
  const names =
    asked ?? known.filter((one) => one.deviceType === deviceType).map(({ name }) => name)
  const found = new Map<string, AttentionBackend>()
  const missing: { name: string; reason: string }[] = []
  for (const name of names) {
    const about = knownBackend(name)
    if (about.deviceType !== deviceType) {
      const place = about.deviceType === 'cuda' ? 'NVIDIA GPUs' : 'the CPU'
      missing.push({ name, reason: `computes on ${place}, and this is ${device.name}` })
      continue
    }
    try {
      const { [about.create]: create } = (await import(about.package)) as BackendModule
      if (!create) throw new Error(`${about.package} has no ${about.create}`)
      const own = deviceType === 'cuda' ? { device: device.device } : threadsOption(threads)
      found.set(name, create(own))
    } catch (error) {
      missing.push({ name, reason: missingReason(about, error) })
    }
  }
  return {
    found,
    missing,
    [Symbol.dispose]() {
      for (const backend of found.values()) backend[Symbol.dispose]()
    },
  }
}

const threadsOption = (threads: number | undefined) => (threads === undefined ? {} : { threads })

function knownBackend(name: string): KnownBackend {
  const about = known.find((one) => one.name === name)
  if (about) return about
  throw new InvalidArgumentError(
    `There is no backend "${name}". There are ${backendNames.join(', ')}.`,
  )
}

function missingReason(about: KnownBackend, error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  const absent = code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND'
  return absent ? `${about.package} is not installed` : message
}

/** Why a backend cannot serve a configuration, in one line; undefined when it can. */
export function refusal(backend: AttentionBackend, config: AttentionConfig): string | undefined {
  const reasons = backend.validate(config)
  return reasons.length === 0 ? undefined : reasons.map(({ message }) => message).join('; ')
}
