/** What `trim` gives back. */
export interface TrimOptions {
  /** Bytes of free and parked pages that may stay. Defaults to `0`. */
  readonly keepBytes?: number
  /** Whether prefixes that no sequence uses go too. Defaults to `false`. */
  readonly prefixes?: boolean
}
