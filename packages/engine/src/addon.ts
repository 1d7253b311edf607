/** The engine's native addon, loaded when it is first needed. */
import { errors } from '@vattention/interface'

import { loadAddon } from '../../../native/node/load-addon.ts'
import type { EngineAddon } from './native.ts'

let addon: EngineAddon | undefined

/**
 * The addon.
 *
 * OpenMP's threads spin about 10 ms after each matrix product by default, which steals the cores
 * from everyone else. GNU OpenMP reads `GOMP_SPINCOUNT` once, when it is loaded with the addon, so
 * the environment variable is set here (to `1000`, about 10 us) unless the user set it.
 *
 * @throws `ERR_VATTENTION_NATIVE_LOAD` with every place that was tried.
 */
export function engineAddon(): EngineAddon {
  if (!addon) {
    process.env['GOMP_SPINCOUNT'] ??= '1000'
    addon = loadAddon<EngineAddon>({
      name: '@vattention/engine',
      from: import.meta.url,
      createError: errors.nativeLoad,
    })
  }
  return addon
}

/** What the engine found on this machine: instruction set, bf16, cores. */
export function probeEngine(): ReturnType<EngineAddon['probe']> {
  return engineAddon().probe()
}

/** Sequential read bandwidth of this machine in bytes per second. Takes a second or so. */
export function measureReadBandwidth(options: {
  /** Size of the buffer read; should exceed the last cache by far. Defaults to 256 MiB. */
  readonly bytes?: number
  /** Defaults to the cores this process may use. */
  readonly threads?: number
}): Promise<number> {
  const native = engineAddon()
  return native.measureReadBandwidth(
    options.bytes ?? 256 * 2 ** 20,
    options.threads ?? native.probe().cores,
  )
}
