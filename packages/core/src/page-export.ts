import { errors, type Fence } from '@vattention/interface'

import type { NativePageExport } from './addon.ts'
import { toManifest, type PageManifest } from './page-manifest.ts'
import { StreamFence } from './stream-fence.ts'

/**
 * Pages of a cache for other processes, made by `ContiguousKvCache.exportPages`: descriptors, and a
 * manifest that says what lies where. `importPages` maps them in another process.
 *
 * The pages stay as they are until it is disposed, whatever becomes of the sequences and of the
 * cache. Their memory counts as retained by the cache meanwhile. Keep the object: collected, it is
 * disposed.
 */
export class PageExport implements Disposable {
  /** Plain data: send it as JSON. */
  readonly manifest: PageManifest
  /**
   * Passed once the exported tokens are written, by the streams that were attached and by the cache
   * itself. On the CPU, without timelines in flight, that is at once.
   */
  readonly ready: Fence
  readonly #native: NativePageExport
  readonly #files: readonly number[]
  #disposed = false

  /** @internal */
  constructor(native: NativePageExport) {
    this.#native = native
    this.#files = Object.freeze([...native.files()])
    this.manifest = toManifest(native.manifest(), this.#files.length)
    this.ready = new StreamFence(native.ready())
  }

  /**
   * File descriptors, in the order that the manifest counts them in. They belong to the export and
   * are closed with it; a process that was started with them has its own.
   * @throws `ERR_VATTENTION_DISPOSED`: their numbers may stand for other files by then.
   */
  get files(): readonly number[] {
    if (this.#disposed) throw errors.disposed('The export')
    return this.#files
  }

  /** Closes the files and gives the pages up. A second call does nothing. */
  [Symbol.dispose](): void {
    this.#disposed = true
    this.ready[Symbol.dispose]()
    this.#native.release()
  }
}
