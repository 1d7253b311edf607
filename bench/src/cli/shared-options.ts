import { InvalidArgumentError, Option } from 'commander'

import { backendNames } from '../harness/index.ts'
import { cacheNames, namedCache, namedShape, shapeNames } from '../suite/index.ts'
import { count, listOf, positive, wordOf } from '../suites/option-values.ts'
import type { NamedCache, NamedShape } from '../suite/index.ts'

/** Where to measure: `auto` is the first GPU that can be used, else the CPU. */
export type DeviceChoice = 'auto' | 'cpu' | number

/** Options that all suites have, by the names that commander gives them. */
export interface SharedOptions {
  readonly quick?: boolean
  readonly budget?: number
  readonly device: DeviceChoice
  readonly seed: number
  readonly shapes?: readonly NamedShape[]
  readonly backends?: readonly string[]
  readonly caches?: readonly NamedCache[]
  readonly out?: string
  readonly json?: string
  readonly report: boolean
}

const defaultSeed = 20240507

function deviceChoice(text: string): DeviceChoice {
  if (text === 'auto' || text === 'cpu') return text
  if (text === 'cuda') return 0
  const [, index] = /^cuda:(\d+)$/.exec(text) ?? []
  if (index !== undefined) return Number(index)
  throw new InvalidArgumentError('Expected auto, cpu, cuda or cuda:N.')
}

/**
 * The options that all suites have.
 *
 * @param budget Seconds that the suite measures for by default.
 */
export function sharedOptions(budget: { full: number; quick: number }): Option[] {
  return [
    new Option('--quick', 'fewer and smaller cases, under two minutes: tells no figures'),
    new Option(
      '--budget <seconds>',
      `measure for about so long (default: ${budget.full}, with --quick ${budget.quick})`,
    ).argParser(positive),
    new Option('--device <name>', 'auto (a GPU if there is one), cpu, cuda or cuda:N')
      .argParser(deviceChoice)
      .default('auto' satisfies DeviceChoice, 'auto'),
    new Option('--shapes <list>', shapeNames).argParser(listOf(namedShape)),
    new Option('--backends <list>', backendNames.join(', ')).argParser(
      listOf(wordOf(...backendNames)),
    ),
    new Option('--caches <list>', cacheNames).argParser(listOf(namedCache)),
    new Option('--seed <n>', 'of orders, data and resamples')
      .argParser(count(0))
      .default(defaultSeed),
    new Option('--out <folder>', 'gets a folder with the result and its page for each run').default(
      undefined,
      'bench-results',
    ),
    new Option('--json <file>', 'writes the result there, too'),
    new Option('--no-report', 'no page'),
  ]
}
