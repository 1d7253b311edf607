/** Page classes of a contiguous cache, as people name them. */
export interface PageClasses {
  /** `2 MiB only`. */
  readonly name: string
  /** Absent: the cache's own. */
  readonly pageBytes?: readonly number[]
  /** The largest class that may hold a prompt: what others may share of it comes in such pieces. */
  readonly sharePageBytes?: number
}

const kib = 2 ** 10
const mib = 2 ** 20

// A page is shared whole, so by default prompts are backed by pages of 2 MiB, so that others can share
// their beginnings. Larger ones are for prompts that nobody shares in small pieces.
const classes = (name: string, ...pageBytes: number[]): PageClasses => ({
  name,
  pageBytes,
  sharePageBytes: Math.max(...pageBytes),
})
const own: PageClasses = { name: 'default, shared by 2 MiB' }

/** Those that are compared on a device. */
export const pageClassesOf = (isGpu: boolean): readonly PageClasses[] =>
  isGpu
    ? [
        classes('size classes', 2 * mib, 8 * mib, 32 * mib, 128 * mib),
        classes('2 MiB and 8 MiB', 2 * mib, 8 * mib),
        classes('2 MiB and 32 MiB', 2 * mib, 32 * mib),
        classes('2 MiB only', 2 * mib),
        own,
      ]
    : [classes('64 KiB only', 64 * kib), classes('2 MiB only', 2 * mib), own]
