import { Option } from 'commander'

import type { Suite } from '../suite/index.ts'
import { optionNumber, optionNumbers } from './memory/describe.ts'
import { count, listOf } from './option-values.ts'
import { measureCalls } from './vmm/calls.ts'
import { measureCeiling } from './vmm/ceiling.ts'

const kib = 2 ** 10
const mib = 2 ** 20

/** The calls that back memory, one by one: what everything above them is made of. */
export const vmm: Suite = {
  name: 'vmm',
  kind: 'memory',
  summary:
    'Virtual memory calls of the driver: their latency by page class, and how many mappings live.',
  options: () => [
    new Option('--handles <counts>', 'pages of a call, with commas: 1,16').argParser(
      listOf(count()),
    ),
    new Option('--rounds <count>', 'rounds at most, of 50 calls each').argParser(count()),
    new Option(
      '--mapping-cap <count>',
      'mappings at which the search for the ceiling ends',
    ).argParser(count()),
  ],
  budgetSeconds: { full: 60, quick: 10 },
  open(context) {
    const { device, settings } = context
    const pageBytes = device.isGpu ? [2, 8, 32, 128].map((size) => size * mib) : [64 * kib, 2 * mib]
    const handles = optionNumbers(context, 'handles', [1, 16])
    const rounds = optionNumber(context, 'rounds', settings.quick ? 10 : 40)
    const cap = optionNumber(
      context,
      'mappingCap',
      device.isGpu && settings.quick ? 20_000 : 600_000,
    )
    return {
      protocol: {
        timer: 'the host, around one call of the cache’s driver, in C++',
        order: 'rounds; in each every page class and number of handles once, shuffled',
        warmUp: 'the first calls of each measurement are dropped',
        ceiling: 'one page mapped at neighbouring addresses until the driver refuses',
        ceilingCap: cap,
      },
      workload: { device: device.name, pageBytes, handles: [...handles] },
      cells: [
        {
          name: 'driver calls',
          weight: 3,
          measure: (budgetMs) => measureCalls(context, { pageBytes, handles, rounds, budgetMs }),
        },
        {
          name: 'live mappings',
          measure: (budgetMs) =>
            measureCeiling(context, { cap, seconds: Math.max(1, budgetMs / 1000) }),
        },
      ],
      close: () => undefined,
    }
  },
}
