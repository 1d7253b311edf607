import { interleave, must } from '../../harness/index.ts'
import type { SuiteContext } from '../../suite/index.ts'
import type { BenchCache } from '../memory/open-cache.ts'
import { Pace } from '../memory/pace.ts'
import type { Variant } from './variants.ts'

/** Sequences that come, grow and leave: what is stepped. */
export interface Load {
  readonly handles: Uint32Array
  readonly lengths: Uint32Array
  /** Lays out step number `step`, from 0; returns how many sequences need another page or block. */
  advance(step: number): number
}

/** A load over a cache of a variant. */
export interface VariantLoad {
  readonly variant: Variant
  readonly cache: BenchCache
  readonly load: Load
}

/** What the steps of a load found, in their order. */
export interface LoadSamples {
  readonly stepUs: number[]
  readonly driverCalls: number[]
  readonly crossed: number[]
}

/** How loads are stepped. */
export interface LoadRun {
  /** Of each load, that count. */
  readonly steps: number
  /** Of each load before them. */
  readonly warmUp: number
  /** From one step to the next: what a forward pass takes. */
  readonly paceMs: number
  readonly budgetMs: number
}

/** Steps of one load before another's turn. */
const blockSteps = 50

/**
 * Steps loads at a pace, each a block of steps in every round. The loads do not wait for each other's
 * mappers: those go on meanwhile, as they do between the passes of a server.
 */
export async function runLoads(
  { clock, random, signal }: SuiteContext,
  loads: readonly VariantLoad[],
  { steps, warmUp, paceMs, budgetMs }: LoadRun,
): Promise<ReadonlyMap<string, LoadSamples>> {
  const all = new Map<string, LoadSamples & { at: number }>(
    loads.map(({ variant }) => [
      variant.name,
      { stepUs: [], driverCalls: [], crossed: [], at: -warmUp },
    ]),
  )
  const block = async ({ variant, cache, load }: VariantLoad) => {
    const found = all.get(variant.name)!
    const pace = new Pace(clock, paceMs)
    for (let i = 0; i < blockSteps && found.at < steps; i++, found.at++) {
      const crossed = load.advance(found.at + warmUp)
      await pace.turn()
      const begun = clock.now()
      const result = cache.step(load.handles, load.lengths)
      const ended = clock.now()
      const { driverCalls } = must(result)
      if (found.at < 0) continue
      found.stepUs.push((ended - begun) * 1000)
      found.driverCalls.push(driverCalls)
      found.crossed.push(crossed)
    }
  }
  await interleave({
    subjects: Object.fromEntries(loads.map((one) => [one.variant.name, () => block(one)])),
    collect: () => undefined,
    most: Math.ceil((steps + warmUp) / blockSteps),
    warmUp: 0,
    ...{ budgetMs, clock, random, signal },
  })
  return all
}

/** How many of `lengths` begin another page or block when they get one token more. */
export function crossing(length: number, pageTokens: number): boolean {
  return Math.ceil((length + 1) / pageTokens) > Math.ceil(length / pageTokens)
}

/**
 * Steps that had to map themselves. Not of a pool: what it asks of the driver in a step is zeroing of
 * blocks that it has.
 */
export const stepsThatMapped = ({ mapper }: Variant, mapped: number) =>
  mapper === null ? {} : { stepsThatMappedCount: mapped }
