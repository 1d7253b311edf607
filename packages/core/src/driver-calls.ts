/**
 * What single calls of a device's driver cost, and how many mappings it lets live: for diagnosis, and
 * for benches. Caches are not involved.
 */
import {
  cpu,
  deviceIndex,
  deviceTypeCode,
  errors,
  type Device,
  type OptionRule,
} from '@vattention/interface'

import { checkOptions } from '../../../native/node/cache-arguments.ts'
import { callNativeAsync } from '../../../native/node/native-error.ts'
import { addon } from './addon.ts'
import { checkDevice } from './check-device.ts'

/**
 * Calls that are measured, in the order in which a page meets them. On the CPU: `mmap` of nothing,
 * `fallocate`, `mmap` of the file, a new descriptor, `mmap` of nothing over it, a punched hole,
 * `munmap`. On a GPU: `cuMemAddressReserve`, `cuMemCreate`, `cuMemMap`, `cuMemSetAccess`, the two
 * together, `cuMemExportToShareableHandle`, `cuMemUnmap`, `cuMemRelease`, `cuMemAddressFree`.
 */
export const driverCalls = [
  'reserve',
  'create',
  'map',
  'setAccess',
  'mapAndSetAccess',
  'export',
  'unmap',
  'release',
  'freeReservation',
] as const
export type DriverCall = (typeof driverCalls)[number]

/** What to measure. */
export interface DriverCallOptions {
  /** Defaults to the CPU. */
  readonly device?: Device
  /** Of a page: one physical allocation. A multiple of 64 KiB on the CPU, of 2 MiB on a GPU. */
  readonly pageBytes: number
  /**
   * Pages that a round takes together: reserved, created, mapped and unmapped in one call of the
   * cache's driver each. At most 1 GiB together on the CPU. Defaults to `1`.
   */
  readonly handles?: number
  /** Defaults to `100`. */
  readonly rounds?: number
}

/**
 * Nanoseconds of each round, all its pages together; `export` is of one page. Absent: the device has
 * no such call. The CPU maps and gives access in one, so it has neither `map` nor `setAccess`.
 */
export type DriverCallSamples = Readonly<Partial<Record<DriverCall, Float64Array>>>

/** How to look for the most mappings that live together. */
export interface MappingCeilingOptions {
  /** Defaults to the CPU. */
  readonly device?: Device
  /** Of the page that is mapped again and again. Defaults to the device's smallest. */
  readonly pageBytes?: number
  /** Most mappings to make. Defaults to `100_000`. */
  readonly cap?: number
  /** Most seconds to map for; taking the mappings away again comes after. Defaults to `10`. */
  readonly seconds?: number
}

/** What was found. */
export interface MappingCeiling {
  /** That lived together. */
  readonly mappings: number
  /** What stopped it: the driver refused, or the cap or the time was reached and there is more. */
  readonly end: 'driver' | 'cap' | 'time'
  /** That refused, with its code (errno, CUresult); absent when none did. */
  readonly driverCall?: string
  readonly driverCode?: number
}

/** The host's driver creates so much in one call. */
const mostHostBytes = 2 ** 30
const mostRounds = 2 ** 20
const mostHandles = 2 ** 16

const integerOf = (most: number): OptionRule => ({
  expected: `an integer of 1..${most}`,
  check: (value) => Number.isSafeInteger(value) && Number(value) >= 1 && Number(value) <= most,
})
const anything: OptionRule = { expected: 'a device', check: () => true } // checkDevice tells more

const callRules: Record<keyof DriverCallOptions, OptionRule> = {
  device: anything,
  pageBytes: { ...integerOf(2 ** 40), required: true },
  handles: integerOf(mostHandles),
  rounds: integerOf(mostRounds),
}
const ceilingRules: Record<keyof MappingCeilingOptions, OptionRule> = {
  device: anything,
  pageBytes: integerOf(2 ** 40),
  cap: integerOf(2 ** 31 - 1),
  seconds: {
    expected: 'a number above 0',
    check: (value) => Number.isFinite(value) && Number(value) > 0,
  },
}

/**
 * Runs the calls that back memory, and notes how long each takes. Every round reserves addresses,
 * creates pages, maps, exports, unmaps and releases them, on a thread of its own and with a driver of
 * its own: what this process has mapped stays as it is.
 *
 * @returns Raw samples; the first round meets what the driver does once.
 * @throws `ERR_VATTENTION_INVALID_OPTIONS`; `ERR_VATTENTION_INVALID_ARGUMENT` for a page size that the
 * device does not map; `ERR_VATTENTION_UNSUPPORTED` without the device;
 * `ERR_VATTENTION_OUT_OF_MEMORY`; `ERR_VATTENTION_DEVICE`.
 * @example
 * ```ts
 * const { mapAndSetAccess } = await measureDriverCalls({ pageBytes: 2 ** 21, rounds: 1000 })
 * ```
 */
export async function measureDriverCalls(options: DriverCallOptions): Promise<DriverCallSamples> {
  checkOptions('A measurement of driver calls', options, callRules)
  const { device = cpu, pageBytes, handles = 1, rounds = 100 } = options
  checkDevice(device)
  if (device.type === 'cpu' && handles * pageBytes > mostHostBytes) {
    const expected = `at most ${Math.floor(mostHostBytes / pageBytes)} pages of ${pageBytes} bytes`
    throw errors.invalidArgument('handles', expected, String(handles))
  }
  return callNativeAsync(() =>
    addon().measureDriverCalls(
      deviceTypeCode(device),
      deviceIndex(device),
      pageBytes,
      handles,
      rounds,
    ),
  )
}

/**
 * Maps one page at one address after the other until the driver refuses: the most mappings that live
 * together. Nothing of the system is changed. On the CPU (`vm.max_map_count`) it happens in a child
 * process, since at the limit every allocation of a process fails; on a GPU (about half a million)
 * in this one.
 *
 * @throws as `measureDriverCalls`
 */
export async function measureMappingCeiling(
  options: MappingCeilingOptions = {},
): Promise<MappingCeiling> {
  checkOptions('A measurement of the mapping ceiling', options, ceilingRules)
  const { device = cpu, cap = 100_000, seconds = 10 } = options
  checkDevice(device)
  const { pageBytes = device.type === 'cuda' ? 2 ** 21 : 2 ** 16 } = options
  const { mappings, end, driverCall, driverCode } = await callNativeAsync(() =>
    addon().measureMappingCeiling(
      deviceTypeCode(device),
      deviceIndex(device),
      pageBytes,
      cap,
      seconds,
    ),
  )
  return { mappings, end, ...(driverCall !== '' && { driverCall, driverCode }) }
}
