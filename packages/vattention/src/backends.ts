import { createCpuBackend } from '@vattention/cpu'
import { errors, VattentionError, type AttentionBackend, type Device } from '@vattention/interface'

/** A backend that the command knows by name, whether it is installed or not. */
export interface KnownBackend {
  readonly name: string
  /** The npm package that has it. */
  readonly package: string
  /** The function that makes it, of a package that has more than one. Defaults to `createBackend`. */
  readonly create?: string
  /** What it computes on. */
  readonly deviceType: Device['type']
}

/** A backend, or why there is none. */
export type OpenedBackend = KnownBackend &
  (
    | { readonly backend: AttentionBackend }
    | {
        /** In words. */
        readonly unavailable: string
        /** The same as an error, for who has asked for this one. */
        readonly error: VattentionError
      }
  )

/** What opening a backend may be told. */
export interface OpenBackendOptions {
  /** Threads of a CPU backend. */
  readonly threads?: number
  /** The GPU of the others. Defaults to the first. */
  readonly device?: Device
}

/** All backends, in the order in which automatic selection prefers them. */
export const knownBackends: readonly KnownBackend[] = [
  {
    name: 'flash-attention-3',
    package: '@vattention/flash-attention-3',
    deviceType: 'cuda',
  },
  {
    name: 'flash-attention-2',
    package: '@vattention/flash-attention-2',
    deviceType: 'cuda',
  },
  { name: 'flashinfer', package: '@vattention/flashinfer', deviceType: 'cuda' },
  {
    name: 'flashinfer-hopper',
    package: '@vattention/flashinfer',
    create: 'createFlashInferHopperBackend',
    deviceType: 'cuda',
  },
  // The baseline: only where its pool layout is asked for.
  { name: 'paged-attention', package: '@vattention/paged-attention', deviceType: 'cuda' },
  { name: 'cpu', package: '@vattention/cpu', deviceType: 'cpu' },
]

/** What a backend's package exports: functions that make it. */
type BackendModule = Readonly<
  Record<string, ((options: { readonly device?: Device }) => AttentionBackend) | undefined>
>

/**
 * Opens every known backend that is installed and usable. The caller disposes those it got.
 * Nothing is thrown: what is missing is in the list with its reason.
 */
export async function openBackends(options: OpenBackendOptions = {}): Promise<OpenedBackend[]> {
  return Promise.all(knownBackends.map((known) => openBackend(known, options)))
}

async function openBackend(
  known: KnownBackend,
  { threads, device }: OpenBackendOptions,
): Promise<OpenedBackend> {
  try {
    if (known.deviceType === 'cpu') {
      return { ...known, backend: createCpuBackend(threads === undefined ? {} : { threads }) }
    }
    const { create = 'createBackend' } = known
    const make = ((await import(known.package)) as BackendModule)[create]
    if (!make) return lacking(known, `${known.package} has no ${create}: its version does not fit`)
    return { ...known, backend: make(device ? { device } : {}) }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND') {
      return lacking(known, `${known.package} is not installed`)
    }
    if (!(error instanceof VattentionError)) return lacking(known, message)
    return { ...known, unavailable: message, error }
  }
}

function lacking(known: KnownBackend, unavailable: string): OpenedBackend {
  const error = errors.backendUnavailable(known.name, `${unavailable}.`, 'import', 0)
  return { ...known, unavailable, error }
}
