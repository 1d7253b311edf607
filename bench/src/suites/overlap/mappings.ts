/** What goes on beside attention. */
export interface Mapping {
  /** `none`: nothing, once more: how far two measurements of the same are apart. */
  readonly name: 'none' | 'demand' | 'unthrottled'
  /** GB/s that are mapped; Infinity: as fast as it goes; 0: nothing. */
  readonly gbPerSecond: number
}

/**
 * GB/s of new keys and values. On a GPU four times the most that models on two A100 were seen to need
 * (0.75 GB/s, published). On a CPU four times what decode of an 8B model fills where weights are read
 * at 20 GB/s: 64 sequences get 85 tokens a second, 11 MB.
 */
export const ownDemand = (isGpu: boolean): number => (isGpu ? 3 : 0.05)

/** All that is measured beside attention alone. */
export const mappingsOf = (demandGbPerSecond: number): readonly Mapping[] => [
  { name: 'none', gbPerSecond: 0 },
  { name: 'demand', gbPerSecond: demandGbPerSecond },
  { name: 'unthrottled', gbPerSecond: Infinity },
]
