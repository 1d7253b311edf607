import { createCpuBackend } from '@vattention/cpu'
import type { AttentionBackend } from '@vattention/interface'

/** A backend that the command knows by name, whether it is installed or not. */
export interface KnownBackend {
  readonly name: string
  /** The npm package that has it. */
  readonly package: string
}

/** A backend, or why there is none. */
export type OpenedBackend = KnownBackend &
  ({ readonly backend: AttentionBackend } | { readonly unavailable: string })

/** What opening a backend may be told. */
export interface OpenBackendOptions {
  /** Threads of a CPU backend. */
  readonly threads?: number
}

/** All backends, in the order in which automatic selection prefers them. */
export const knownBackends: readonly KnownBackend[] = [
  { name: 'flash-attention-3', package: '@vattention/flash-attention-3' },
  { name: 'flash-attention-2', package: '@vattention/flash-attention-2' },
  { name: 'flashinfer', package: '@vattention/flashinfer' },
  { name: 'cpu', package: '@vattention/cpu' },
]

/** What a backend's package exports: one function that makes it. */
type BackendModule = Readonly<Record<string, unknown>> & {
  readonly createBackend?: (options: OpenBackendOptions) => AttentionBackend
}

/**
 * Opens every known backend that is installed and usable. The caller disposes those it got.
 * Nothing is thrown: what is missing is in the list with its reason.
 */
export async function openBackends(options: OpenBackendOptions = {}): Promise<OpenedBackend[]> {
  return Promise.all(knownBackends.map((known) => openBackend(known, options)))
}

async function openBackend(
  known: KnownBackend,
  options: OpenBackendOptions,
): Promise<OpenedBackend> {
  try {
    if (known.name === 'cpu') return { ...known, backend: createCpuBackend(options) }
    const loaded = (await import(known.package)) as BackendModule
    if (!loaded.createBackend) {
      return {
        ...known,
        unavailable: `${known.package} has no createBackend: its version does not fit`,
      }
    }
    return { ...known, backend: loaded.createBackend(options) }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const missing = code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND'
    return { ...known, unavailable: missing ? `${known.package} is not installed` : message }
  }
}
