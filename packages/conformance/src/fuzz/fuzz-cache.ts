import { ConformanceFailure } from '../case.ts'
import { mix, Random } from '../random.ts'
import { operations } from './fuzz-operations.ts'
import type { FuzzOptions, FuzzReport, MakeFuzzSubject } from './fuzz-subject.ts'
import { FuzzWorld } from './fuzz-world.ts'

/** Operations that a failure tells, besides the one it happened in. */
const remembered = 30

/**
 * Model-based fuzzing of a cache: random operations on it and on a shadow of it, and every invariant
 * after each operation (see {@link FuzzWorld}).
 *
 * @param make Makes the caches, one after the other, with options of its own choice.
 * @returns how often each operation was done
 * @throws ConformanceFailure with the seed, the operation and those before it.
 */
export async function fuzzCache(make: MakeFuzzSubject, options: FuzzOptions): Promise<FuzzReport> {
  const perCache = options.operationsPerCache ?? 1000
  const report: Record<string, number> = {}
  for (let done = 0, life = 0; done < options.operations; done += perCache, life++) {
    const count = Math.min(perCache, options.operations - done)
    await fuzzOne(make, options, life, count, report)
  }
  return report
}

async function fuzzOne(
  make: MakeFuzzSubject,
  { seed, operationsPerSweep = 50 }: FuzzOptions,
  life: number,
  count: number,
  report: Record<string, number>,
): Promise<void> {
  const random = new Random(mix(seed, life))
  const subject = make(random)
  const log: string[] = []
  try {
    using world = enter(subject, random)
    for (let i = 0; i < count; i++) {
      const [, name, run] = draw(random)
      log.push(name)
      const done = await run(world)
      log.splice(-1, 1, done?.what ?? `${name}: nothing to do it to`)
      if (log.length > remembered) log.shift()
      if (done === undefined) continue
      report[name] = (report[name] ?? 0) + 1
      world.check(done.touched ?? [])
      if (i % operationsPerSweep === 0) world.sweep()
    }
    world.sweep()
    leave(world)
  } catch (error) {
    throw failure(error, seed, life, subject.description, log)
  }
}

/** A world whose cache and stream end with it. */
function enter(...[subject, random]: ConstructorParameters<typeof FuzzWorld>) {
  const { stream, cache } = subject
  if (stream) cache.waitReady(stream)
  const end = () => {
    // The stream first: it completes everything, and a cache with work in flight stays.
    stream?.[Symbol.dispose]()
    cache[Symbol.dispose]()
  }
  try {
    return Object.assign(new FuzzWorld(subject, random), { [Symbol.dispose]: end })
  } catch (error) {
    end()
    throw error
  }
}

/** Without sequences and work, nothing is mapped or condemned. */
function leave(world: FuzzWorld): void {
  world.completeWork(world.work.submitted)
  for (const handle of world.live.keys()) world.cache.free(handle)
  world.live.clear()
  if (world.paused) world.subject.mapper?.resume()
  world.subject.mapper?.drain()
  world.check([])
  const { mappedBytes, usedBytes } = world.cache.stats()
  if (mappedBytes + usedBytes > 0) {
    throw new ConformanceFailure(`without sequences ${mappedBytes} bytes are mapped`)
  }
}

function draw(random: Random) {
  const sum = operations.reduce((total, [weight]) => total + weight, 0)
  let at = random.integer(sum)
  return operations.find(([weight]) => (at -= weight) < 0)!
}

function failure(
  error: unknown,
  seed: number,
  life: number,
  description: string,
  log: readonly string[],
): ConformanceFailure {
  const message = error instanceof Error ? error.message : String(error)
  const failed = new ConformanceFailure(
    `Fuzzing with seed ${seed} failed in cache ${life} (${description}):\n${message}\n` +
      `The last operations:\n${log.map((line) => `  ${line}`).join('\n')}`,
  )
  failed.cause = error
  return failed
}
