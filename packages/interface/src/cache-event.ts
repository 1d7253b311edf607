/** What a cache did: see `vattn_event_kind` in the C ABI. */
export type CacheEventKind =
  | 'step'
  | 'outOfMemory'
  | 'mapAhead'
  | 'refill'
  | 'zero'
  | 'park'
  | 'adopt'
  | 'evict'
  | 'alias'
  | 'copy'
  | 'condemn'
  | 'release'
  | 'limit'
  | 'driverError'

/** The kinds in the order of their C codes. */
export const cacheEventKinds: readonly CacheEventKind[] = [
  'step',
  'outOfMemory',
  'mapAhead',
  'refill',
  'zero',
  'park',
  'adopt',
  'evict',
  'alias',
  'copy',
  'condemn',
  'release',
  'limit',
  'driverError',
]

/** One event. */
export interface CacheEvent {
  readonly kind: CacheEventKind
  /** Slot index, or -1. */
  readonly slot: number
  /** Who did it: a caller of the cache, or its mapper thread. */
  readonly thread: 'caller' | 'mapper'
  /** Nanoseconds since the cache was made. */
  readonly startNs: number
  readonly durationNs: number
  readonly bytes: number
  /** Sequences of a step, the code of a driver error, else how many. */
  readonly count: number
}
