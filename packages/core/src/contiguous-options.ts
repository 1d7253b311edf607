import {
  callback,
  cpu,
  deviceIndex,
  deviceTypeCode,
  dtypeCode,
  errors,
  nonNegativeInteger,
  oneOf,
  optionReasons,
  required,
  type ContiguousCacheOptions,
  type Device,
  type KvCacheShape,
  type Layout,
  type MapAheadOptions,
  type OptionRule,
  type Reason,
} from '@vattention/interface'

import { toNativeFaults, type FaultPlan } from '../../../native/node/fault-plan.ts'
import type { NativeCacheOptions } from './addon.ts'
import { reason } from './reason.ts'

/** What a cache can be given beyond its options, for tests of whatever is built on it. */
export interface ContiguousTestOptions {
  /** Puts the faulty driver between the cache and the machine; see `setFaults`. */
  readonly faults?: FaultPlan
  /** Where memory limits are read instead of `/sys/fs/cgroup`. */
  readonly cgroupRoot?: string
}

/** Tokens per block of the prefix index unless an option says otherwise; reasons: prefix-index.ts. */
export const defaultPrefixBlockTokens = 16

/** Rows before a slid window that stay mapped unless an option says otherwise. */
const defaultLeadRows = 256

/** The host's pages are mapped in these units, whatever the size class. */
const hostGranularity = 65536

/** Pages of a device are multiples of this, which is its smallest class by default. */
const granularity = ({ type }: Device): number => (type === 'cuda' ? 2 ** 21 : hostGranularity)

/** `page_bytes` has this many entries in the C ABI. */
const mostPageClasses = 8

const int32Max = 2 ** 31 - 1

const integerIn = (least: number, most: number): OptionRule => ({
  expected: `an integer of ${least}..${most}`,
  check: (value) =>
    Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most,
})

const isLayout = (value: unknown): boolean =>
  value === 'interleaved' ||
  value === 'split' ||
  (isObject(value) &&
    Object.keys(value).join() === 'layerGroup' &&
    integerIn(1, int32Max).check((value as { layerGroup: unknown }).layerGroup))

const isDevice = (value: unknown): boolean =>
  isObject(value) &&
  ((value as Device).type === 'cpu' ||
    ((value as Device).type === 'cuda' && nonNegativeInteger.check(deviceIndex(value as Device))))

const isPageBytes = (value: unknown): boolean =>
  Array.isArray(value) &&
  value.length > 0 &&
  value.length <= mostPageClasses &&
  value.every(
    (bytes: unknown, i) =>
      Number.isSafeInteger(bytes) &&
      (bytes as number) > 0 &&
      (bytes as number) % hostGranularity === 0 &&
      (i === 0 || (bytes as number) > (value[i - 1] as number)),
  )

const rules: Record<keyof ContiguousCacheOptions, OptionRule> = {
  layers: required(integerIn(1, int32Max)),
  kvHeads: required(integerIn(1, int32Max)),
  headDim: required(integerIn(1, int32Max)),
  valueHeadDim: integerIn(1, int32Max),
  dtype: required(oneOf('float32', 'float16', 'bfloat16', 'float8_e4m3')),
  maxSequences: required(integerIn(1, int32Max)),
  // Lengths travel as unsigned 32-bit integers.
  maxLength: required(integerIn(1, 2 ** 32 - 1)),
  device: { expected: "{ type: 'cpu' } or { type: 'cuda', index }", check: isDevice },
  limitBytes: required(integerIn(1, Number.MAX_SAFE_INTEGER)),
  layout: { expected: '"interleaved", "split" or { layerGroup: layers }', check: isLayout },
  pageBytes: {
    expected: `1 to ${mostPageClasses} ascending multiples of ${hostGranularity}`,
    check: isPageBytes,
  },
  sharePageBytes: integerIn(1, Number.MAX_SAFE_INTEGER),
  prefixBlockTokens: integerIn(1, int32Max),
  tailRows: integerIn(0, int32Max),
  leadRows: integerIn(0, int32Max),
  zero: oneOf('recycled', 'new'),
  mapAhead: {
    expected: 'an object or false',
    check: (value) => value === false || isObject(value),
  },
  mappingBudget: integerIn(1, Number.MAX_SAFE_INTEGER),
  traceEvents: integerIn(0, int32Max),
  onEvent: callback,
}

const mapAheadRules: Record<keyof MapAheadOptions, OptionRule> = {
  tokens: integerIn(1, int32Max),
  idleSlots: integerIn(0, int32Max),
  lowWaterBytes: nonNegativeInteger,
}

/** Options that have been checked, in the forms that the rest of the package needs. */
export interface ResolvedOptions {
  readonly device: Device
  readonly shape: KvCacheShape
  readonly layout: Layout
  readonly prefixBlockTokens: number
  readonly native: NativeCacheOptions
}

/**
 * Checks options and fills in defaults.
 * @throws `ERR_VATTENTION_INVALID_OPTIONS` with all reasons.
 */
export function resolveOptions(
  options: ContiguousCacheOptions,
  test: ContiguousTestOptions = {},
): ResolvedOptions {
  const reasons = contiguousReasons(options)
  if (reasons.length > 0) throw errors.invalidOptions('A contiguous KV cache', reasons)
  const device = options.device ?? cpu
  const layout = options.layout ?? (device.type === 'cuda' ? 'interleaved' : 'split')
  const { layers, kvHeads, headDim, dtype, maxSequences, maxLength } = options
  const valueHeadDim = options.valueHeadDim ?? headDim
  const ahead = options.mapAhead === false ? {} : (options.mapAhead ?? {})
  return {
    device,
    layout,
    shape: Object.freeze({
      layers,
      kvHeads,
      headDim,
      valueHeadDim,
      dtype,
      maxSequences,
      maxLength,
    }),
    prefixBlockTokens: options.prefixBlockTokens ?? defaultPrefixBlockTokens,
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
      layout: layout === 'interleaved' ? 0 : layout === 'split' ? 2 : 1,
      layerGroup: typeof layout === 'object' ? layout.layerGroup : 0,
      pageBytes: Float64Array.from(options.pageBytes ?? []),
      sharePageBytes: options.sharePageBytes ?? 0,
      tailRows: options.tailRows ?? 0,
      leadRows: options.leadRows ?? defaultLeadRows,
      zero: options.zero === 'new' ? 1 : 0,
      mapAhead: options.mapAhead !== false,
      aheadTokens: ahead.tokens ?? 0,
      // The C ABI's 0 stands for a default, so none is -1 here and one byte below.
      idleSlots: ahead.idleSlots === 0 ? -1 : (ahead.idleSlots ?? 0),
      lowWaterBytes: ahead.lowWaterBytes === 0 ? 1 : (ahead.lowWaterBytes ?? 0),
      mappingBudget: options.mappingBudget ?? 0,
      traceEvents: options.traceEvents ?? 0,
      cgroupRoot: test.cgroupRoot ?? '',
      ...(test.faults && { faults: toNativeFaults(test.faults) }),
    },
  }
}

/** Every reason why `options` cannot make a contiguous cache on this machine's drivers. */
export function contiguousReasons(options: ContiguousCacheOptions): Reason[] {
  if (!isObject(options)) return [reason('options', 'an object', String(options))]
  const found = optionReasons(options, rules)
  const broken = new Set(found.map(({ code }) => code))
  const fine = (...names: (keyof ContiguousCacheOptions)[]) =>
    names.every((name) => options[name] !== undefined && !broken.has(name))

  if (fine('layout', 'layers') && typeof options.layout === 'object') {
    if (options.layout.layerGroup > options.layers) {
      found.push(
        reason(
          'layout',
          `a layerGroup of at most ${options.layers} layers`,
          String(options.layout.layerGroup),
        ),
      )
    }
  }
  const unit = granularity(fine('device') ? options.device! : cpu)
  const wrongUnit = fine('pageBytes') && options.pageBytes!.some((bytes) => bytes % unit !== 0)
  if (wrongUnit) {
    found.push(reason('pageBytes', `multiples of ${unit}`, options.pageBytes!.join(', ')))
  }
  if (fine('sharePageBytes') && (options.pageBytes === undefined || fine('pageBytes'))) {
    const smallest = options.pageBytes?.[0] ?? unit
    if (options.sharePageBytes! < smallest) {
      found.push(
        reason(
          'sharePageBytes',
          `at least the smallest page class, ${smallest}`,
          String(options.sharePageBytes),
        ),
      )
    }
  }
  if (isObject(options.mapAhead)) {
    for (const inner of optionReasons(options.mapAhead, mapAheadRules)) {
      found.push({
        ...inner,
        code: `mapAhead.${inner.code}`,
        message: `mapAhead.${inner.message}`,
      })
    }
  }
  return found
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
