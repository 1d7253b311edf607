/** What a cache case runs in. */
import {
  dtypeBytes,
  type ContiguousCacheOptions,
  type Device,
  type KvCache,
  type KvCacheShape,
  type PagedCacheOptions,
} from '@vattention/interface'

import type { CaseContext, ConformanceCase } from '../case.ts'
import type { Memory } from '../memory.ts'
import type { CacheSubject } from '../subject.ts'
import { CacheProbe } from './probe.ts'

/** What a case needs of a cache. */
export interface CacheNeeds {
  /** Shares published prefixes. */
  readonly prefixIndex?: boolean
  /** Forks share memory, and sliding gives it back. */
  readonly sharesMemory?: boolean
  /** Streams whose work does not end at once. */
  readonly streams?: boolean
}

/** A cache to play with: what cases ask for, whatever the kind is. */
export interface CacheWish extends Partial<KvCacheShape> {
  /**
   * Tokens that fit, and the background work that would blur it turned off. Defaults to more than
   * all sequences can hold.
   */
  readonly tokens?: number
  readonly contiguous?: Partial<ContiguousCacheOptions>
  readonly paged?: Partial<PagedCacheOptions>
}

/** The smallest page of a contiguous cache: 64 KiB on the CPU, 2 MiB on a GPU. */
export const smallestPage = ({ type }: Pick<Device, 'type'>): number =>
  type === 'cpu' ? 65536 : 2 << 20

/** The plainest cache: two layers, and the smallest page holds 256 tokens of one tensor. */
const plainShape = (device: Device) =>
  ({
    layers: 2,
    kvHeads: smallestPage(device) / 256 / (32 * dtypeBytes.float32),
    headDim: 32,
    dtype: 'float32',
    maxSequences: 8,
    maxLength: 2048,
  }) as const

/** The subject, and the means to try it. */
export class CacheContext implements CaseContext<CacheNeeds> {
  readonly subject: CacheSubject & { readonly memory: Memory }

  constructor(subject: CacheSubject & { readonly memory: Memory }) {
    this.subject = subject
  }

  unmet({ prefixIndex, sharesMemory, streams }: CacheNeeds): readonly string[] {
    const reasons: string[] = []
    if (prefixIndex && this.subject.prefixIndex === false) {
      reasons.push('no prefix index is declared')
    }
    if (sharesMemory && this.subject.sharesMemory === false) {
      reasons.push('no sharing of memory is declared')
    }
    if (streams && !this.subject.stream) reasons.push('no streams to test with were given')
    return reasons
  }

  /** Makes a cache and what looks into it. Dispose it. */
  probe(wish: CacheWish = {}): CacheProbe {
    return new CacheProbe(this.create(wish), this.subject.memory)
  }

  /** Makes a cache. Dispose it. */
  create(wish: CacheWish = {}): KvCache {
    const { contiguous, paged, tokens, ...shape } = wish
    const { device } = this.subject.memory
    const common = { ...plainShape(device), ...shape, device }
    const { layers, kvHeads, headDim, valueHeadDim = headDim, dtype } = common
    const tokenBytes = layers * kvHeads * (headDim + valueHeadDim) * dtypeBytes[dtype]
    const all = common.maxSequences * (common.maxLength + 256)
    const limitBytes = (tokens ?? all) * tokenBytes
    if (this.subject.kind === 'paged') {
      return this.subject.create({ ...common, limitBytes, ...paged })
    }
    if (tokens !== undefined) {
      return this.subject.create({ ...common, limitBytes, mapAhead: false, ...contiguous })
    }
    // Ample: a limit is no reservation, and every tensor of a sequence may end in a large page.
    const pages = common.maxSequences * 2 * layers * 64 * smallestPage(device)
    return this.subject.create({ ...common, limitBytes: limitBytes + pages, ...contiguous })
  }

  /** The options that `create` would be given, with changes that may break them. */
  createWith(change: Record<string, unknown>): KvCache {
    const { device } = this.subject.memory
    const limitBytes = 1024 * smallestPage(device)
    const options = { ...plainShape(device), device, limitBytes, ...change } as never
    return this.subject.create(options)
  }
}

/** A case of a cache. */
export type CacheCase = ConformanceCase<CacheContext, CacheNeeds>
