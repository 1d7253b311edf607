import {
  boolean,
  callback,
  cpu,
  deviceIndex,
  deviceTypeCode,
  dtypeBytes,
  dtypeCode,
  errors,
  nonNegativeInteger,
  oneOf,
  optionReasons,
  required,
  type Device,
  type KvCacheShape,
  type OptionRule,
  type PagedCacheOptions,
  type PoolLayout,
  type Reason,
} from '@vattention/interface'

import { toNativeFaults, type FaultPlan } from '../../../native/node/fault-plan.ts'
import type { NativePagedOptions } from './addon.ts'

/** What a cache can be given beyond its options, for tests of whatever is built on it. */
export interface PagedTestOptions {
  /** Puts the faulty driver between the cache and the machine; see `setFaults`. */
  readonly faults?: FaultPlan
  /** Where memory limits are read instead of `/sys/fs/cgroup`. */
  readonly cgroupRoot?: string
  /** How many low bits of a block's hash count, 1 to 64: few make collisions. Defaults to `64`. */
  readonly hashBits?: number
}

/** Tokens per block, unless an option says otherwise: what published servers use. */
export const defaultBlockTokens = 16

/** Block sizes that kernels are written for. */
export const blockSizes: readonly number[] = [1, 8, 16, 32, 64, 128, 256]

/** The published layout cuts keys into pieces of this many bytes: one 128-bit load. */
const pieceBytes = 16

const int32Max = 2 ** 31 - 1

const integerIn = (least: number, most: number): OptionRule => ({
  expected: `an integer of ${least}..${most}`,
  check: (value) =>
    Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most,
})

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

const isDevice = (value: unknown): boolean =>
  isObject(value) &&
  ((value as Device).type === 'cpu' ||
    ((value as Device).type === 'cuda' &&
      nonNegativeInteger.check((value as { index: unknown }).index)))

/** The C ABI's own bounds: heads and dims 2^16, handles 24 bits of slot, lengths of kernels int32. */
const rules: Record<keyof PagedCacheOptions, OptionRule> = {
  layers: required(integerIn(1, 2 ** 16)),
  kvHeads: required(integerIn(1, 2 ** 16)),
  headDim: required(integerIn(1, 2 ** 16)),
  valueHeadDim: integerIn(1, 2 ** 16),
  dtype: required(oneOf('float32', 'float16', 'bfloat16', 'float8_e4m3')),
  maxSequences: required(integerIn(1, 2 ** 24)),
  maxLength: required(integerIn(1, int32Max)),
  device: { expected: "{ type: 'cpu' } or { type: 'cuda', index }", check: isDevice },
  limitBytes: required(integerIn(1, Number.MAX_SAFE_INTEGER)),
  blockTokens: oneOf(...blockSizes),
  poolLayout: oneOf('nhd', 'paged-attention'),
  prefixCache: boolean,
  traceEvents: integerIn(0, int32Max),
  onEvent: callback,
}

const testRules: Record<keyof PagedTestOptions, OptionRule> = {
  faults: { expected: 'a fault plan', check: isObject },
  cgroupRoot: { expected: 'a folder', check: (value) => typeof value === 'string' },
  hashBits: integerIn(1, 64),
}

/** Options that have been checked, in the forms that the rest of the package needs. */
export interface ResolvedOptions {
  readonly device: Device
  readonly shape: KvCacheShape
  readonly blockTokens: number
  readonly poolLayout: PoolLayout
  readonly native: NativePagedOptions
}

/**
 * Checks options and fills in defaults.
 * @throws `ERR_VATTENTION_INVALID_OPTIONS` with all reasons.
 */
export function resolveOptions(
  options: PagedCacheOptions,
  test: PagedTestOptions = {},
): ResolvedOptions {
  const reasons = [...pagedReasons(options), ...optionReasons(test, testRules)]
  if (reasons.length > 0) throw errors.invalidOptions('A paged KV cache', reasons)
  const device = options.device ?? cpu
  const { layers, kvHeads, headDim, dtype, maxSequences, maxLength } = options
  const valueHeadDim = options.valueHeadDim ?? headDim
  const blockTokens = options.blockTokens ?? defaultBlockTokens
  const poolLayout = options.poolLayout ?? 'nhd'
  return {
    device,
    blockTokens,
    poolLayout,
    shape: Object.freeze({
      layers,
      kvHeads,
      headDim,
      valueHeadDim,
      dtype,
      maxSequences,
      maxLength,
    }),
    native: {
      layers,
      kvHeads,
      headDim,
      valueHeadDim,
      dtype: dtypeCode[dtype],
      maxSequences,
      maxLength,
      deviceType: deviceTypeCode(device),
      deviceIndex: deviceIndex(device),
      limitBytes: options.limitBytes,
      blockTokens,
      poolLayout: poolLayout === 'nhd' ? 0 : 1,
      prefixCache: options.prefixCache ?? true,
      hashBits: test.hashBits ?? 0,
      traceEvents: options.traceEvents ?? 0,
      notifyEvents: options.onEvent !== undefined,
      cgroupRoot: test.cgroupRoot ?? '',
      ...(test.faults && { faults: toNativeFaults(test.faults) }),
    },
  }
}

/** Every reason why `options` cannot make a paged cache; empty when they can. */
export function pagedReasons(options: PagedCacheOptions): Reason[] {
  if (!isObject(options)) return [reason('options', 'an object', String(options))]
  const found = optionReasons(options, rules)
  const broken = new Set(found.map(({ code }) => code))
  const fine = (...names: (keyof PagedCacheOptions)[]) => names.every((name) => !broken.has(name))

  if (fine('poolLayout', 'dtype', 'headDim') && options.poolLayout === 'paged-attention') {
    const multiple = pieceBytes / dtypeBytes[options.dtype]
    if (options.headDim % multiple !== 0) {
      const expected = `a multiple of ${multiple} with poolLayout paged-attention and ${options.dtype}`
      found.push(reason('headDim', expected, String(options.headDim)))
    }
  }
  if (fine('layers', 'kvHeads', 'headDim', 'valueHeadDim', 'dtype', 'blockTokens', 'limitBytes')) {
    const dims = options.headDim + (options.valueHeadDim ?? options.headDim)
    const tokens = options.blockTokens ?? defaultBlockTokens
    const blockBytes = options.layers * options.kvHeads * dims * dtypeBytes[options.dtype] * tokens
    if (options.limitBytes < blockBytes) {
      const expected = `at least one block of ${tokens} tokens, ${blockBytes} bytes`
      found.push(reason('limitBytes', expected, String(options.limitBytes)))
    } else if (options.limitBytes / blockBytes >= 2 ** 30) {
      const expected = `fewer than 2^30 blocks of ${blockBytes} bytes (use larger blocks)`
      found.push(reason('limitBytes', expected, String(options.limitBytes)))
    }
  }
  return found
}

function reason(code: string, expected: string, found: string): Reason {
  return { code, message: `${code}: ${expected} required, found ${found}`, expected, found }
}
