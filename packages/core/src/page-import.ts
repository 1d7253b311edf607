import { cpu, errors, slice, type Device, type DType, type Tensor } from '@vattention/interface'

import { isNativeError, nativeStatus, toTypedError } from '../../../native/node/native-error.ts'
import { addon, type NativePageImport } from './addon.ts'
import { manifestReasons } from './check-manifest.ts'
import type { OwnedTensor, TensorOwner } from './owned-tensor.ts'
import { toNativeManifest, type ExportedTensor, type PageManifest } from './page-manifest.ts'
import { checkImportPages, type ImportPagesOptions } from './page-sharing-options.ts'

/** Keys and values of one layer. */
export interface ImportedLayer {
  readonly key: Tensor
  readonly value: Tensor
}

/** Pages of another process, mapped into this one by `importPages`. */
export class PageImport implements Disposable, TensorOwner {
  /** Of this process. */
  readonly device: Device
  readonly dtype: DType
  /** Tokens of each sequence. */
  readonly lengths: readonly number[]
  /** Whether the pages are mapped for writing. */
  readonly writable: boolean
  /**
   * For each layer `[sequence, token, kvHead, dim]`, as a cache's view has them with slots for
   * sequences. Rows from a sequence's length on are not there, or not the importer's.
   */
  readonly layers: readonly ImportedLayer[]
  readonly #native: NativePageImport
  #disposed = false

  /** @internal */
  constructor(native: NativePageImport, manifest: PageManifest, writable: boolean) {
    this.#native = native
    const { device, dtype, lengths, layers } = manifest
    this.device = device.type === 'cpu' ? cpu : { type: 'cuda', index: native.deviceIndex() }
    this.dtype = dtype
    this.lengths = Object.freeze([...lengths])
    this.writable = writable
    const addresses = native.addresses()
    this.layers = Object.freeze(
      layers.map(({ key, value }, i) =>
        Object.freeze({
          key: this.#tensor(key, addresses[2 * i]!),
          value: this.#tensor(value, addresses[2 * i + 1]!),
        }),
      ),
    )
  }

  get disposed(): boolean {
    return this.#disposed
  }

  /**
   * The rows of one sequence, for each layer `[token, kvHead, dim]`: all that was exported of it.
   *
   * @param sequence Index among the exported sequences.
   * @throws `ERR_VATTENTION_INVALID_ARGUMENT`, `ERR_VATTENTION_DISPOSED`
   */
  rows(sequence: number): ImportedLayer[] {
    if (this.#disposed) throw errors.disposed('The import')
    const length = this.lengths[sequence]
    if (length === undefined) {
      const expected = `an integer of 0..${this.lengths.length - 1}`
      throw errors.invalidArgument('sequence', expected, String(sequence))
    }
    const of = (tensor: Tensor): Tensor => {
      const one = slice(tensor, sequence, sequence + 1)
      return slice({ ...one, shape: one.shape.slice(1), strides: one.strides.slice(1) }, 0, length)
    }
    return this.layers.map(({ key, value }) => ({ key: of(key), value: of(value) }))
  }

  /**
   * Unmaps the pages. A second call does nothing. On a GPU nothing may be reading them any more:
   * wait for the streams first.
   */
  [Symbol.dispose](): void {
    this.#disposed = true
    this.#native.release()
  }

  #tensor({ shape, strides }: ExportedTensor, data: bigint): Tensor {
    const tensor: OwnedTensor = {
      data,
      dtype: this.dtype,
      shape: Object.freeze([...shape]),
      strides: Object.freeze([...strides]),
      device: this.device,
      owner: this,
    }
    return Object.freeze(tensor)
  }
}

/**
 * Maps pages that another process has exported (`ContiguousKvCache.exportPages`) into this one.
 *
 * @param manifest The export's, parsed: it is checked like anything from outside.
 * @param files This process's descriptors of the export's files, in their order. They stay the
 * caller's, and may be closed as soon as this returns.
 * @throws `ERR_VATTENTION_INVALID_MANIFEST` with all reasons; `ERR_VATTENTION_INVALID_OPTIONS`;
 * `ERR_VATTENTION_UNSUPPORTED` when this process does not see the GPU; `ERR_VATTENTION_DEVICE` when
 * a file cannot be mapped; `ERR_VATTENTION_OUT_OF_MEMORY`.
 * @example
 * A process that was started with the descriptors from 3 on, and is told the manifest:
 * ```ts
 * process.once('message', (manifest: PageManifest) => {
 *   const files = Array.from({ length: manifest.files }, (_, i) => 3 + i)
 *   using pages = importPages(manifest, files)
 *   files.forEach((file) => closeSync(file))
 *   const [{ key, value }] = pages.rows(0) // [token, kvHead, dim] of layer 0
 * })
 * ```
 */
export function importPages(
  manifest: PageManifest,
  files: readonly number[],
  options: ImportPagesOptions = {},
): PageImport {
  checkImportPages(options)
  const { writable = false } = options
  const reasons = manifestReasons(manifest, files, writable)
  if (reasons.length > 0) throw errors.invalidManifest(reasons)
  const { PageImport: NativeImport } = addon()
  try {
    const native = new NativeImport(toNativeManifest(manifest), Int32Array.from(files), writable)
    return new PageImport(native, manifest, writable)
  } catch (error) {
    if (!isNativeError(error) || error.status !== nativeStatus.invalidArgument) {
      throw toTypedError(error)
    }
    const { message } = error
    throw errors.invalidManifest([
      { code: 'manifest', message, expected: 'a manifest that fits together', found: message },
    ])
  }
}
