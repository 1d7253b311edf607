import { interleave, must, summarize } from '../../harness/index.ts'
import {
  tokenBytes,
  type NamedCache,
  type NamedShape,
  type SuiteContext,
} from '../../suite/index.ts'
import { openCache, type BenchCache } from '../memory/open-cache.ts'
import { trimAll } from '../memory/trim.ts'
import type { PageClasses } from './page-classes.ts'

/** One cache that backs prompts, and where it has their memory from. */
interface Subject {
  readonly name: string
  readonly cacheName: string
  readonly pageClasses: string
  readonly memory: 'fresh' | 'recycled' | 'pool'
  readonly cache: BenchCache
}

/**
 * Rounds after which what is recycled comes from the system anew. Which physical pages those are is
 * chance, makes them up to twice as fast, and lasts as long as they do: a run is to see several.
 */
const roundsOfPages = 4

/** What backing one prompt took. */
interface Backed {
  readonly stepUs: number
  readonly readyUs: number
  readonly driverCalls: number
  /** Of pages that the step mapped itself. */
  readonly mappedBytes: number
  /** Pages or blocks that hold the prompt. */
  readonly neededBytes: number
}

/** Prompts of one length. */
export interface Prompts {
  readonly shape: NamedShape
  readonly caches: readonly NamedCache[]
  readonly pageClasses: readonly PageClasses[]
  readonly tokens: number
  /** At most. */
  readonly rounds: number
  readonly budgetMs: number
}

/** Backs prompts of one length by every cache and its page classes, and records the bandwidths. */
export async function measurePrompts(context: SuiteContext, prompts: Prompts): Promise<void> {
  const { recorder, clock, random, signal } = context
  const { shape, tokens } = prompts
  const bytes = tokenBytes(shape) * tokens
  const subjects = subjectsOf(context, prompts)
  try {
    const found = await interleave<Backed, Backed>({
      subjects: Object.fromEntries(
        subjects.map((subject) => {
          let round = 0
          const measure = async () => {
            if (subject.memory === 'recycled' && round++ % roundsOfPages === 0) {
              await trimAll(subject.cache)
              await back(context, subject, tokens)
            }
            return back(context, subject, tokens)
          }
          return [subject.name, measure]
        }),
      ),
      collect: (_, backed) => backed,
      most: prompts.rounds,
      budgetMs: prompts.budgetMs,
      ...{ clock, random, signal },
    })
    for (const { name, cacheName, pageClasses, memory } of subjects) {
      const samples = found[name]!
      if (samples.length === 0) continue
      const column = (of: (one: Backed) => number) => samples.map(of)
      const rate = (us: readonly number[]) => us.map((each) => bytes / (each * 1000))
      const [stepUs, readyUs] = [column((one) => one.stepUs), column((one) => one.readyUs)]
      recorder.add({
        name: `prompts of ${tokens} tokens, ${name}`,
        parameters: {
          part: 'prompts',
          ...{ pageClasses, tokens, shape: shape.name, cache: cacheName, memory },
        },
        metrics: {
          stepGbPerSecond: summarize(rate(stepUs), random),
          readyGbPerSecond: summarize(rate(readyUs), random),
          stepUs: summarize(stepUs, random),
          readyUs: summarize(readyUs, random),
          promptBytes: bytes,
          neededBytes: samples.at(-1)!.neededBytes,
          mappedBytes: samples.at(-1)!.mappedBytes,
          driverCallsCount: samples.at(-1)!.driverCalls,
        },
        samples: { stepUs, readyUs },
      })
    }
  } finally {
    for (const { cache } of subjects) await cache.disposeAsync()
  }
}

function subjectsOf({ device, recorder }: SuiteContext, prompts: Prompts): Subject[] {
  const { shape, caches, tokens } = prompts
  const bytes = tokenBytes(shape) * tokens
  const found: Subject[] = []
  const add = (about: Omit<Subject, 'cache'>, cache: NamedCache, classes: PageClasses) => {
    try {
      // One prompt each, and they take turns, but for pools and what is recycled.
      if (3 * bytes > device.freeBytes()) throw new Error(`${3 * bytes} bytes are not free`)
      const blocks = cache.kind === 'paged' ? Math.ceil(tokens / cache.blockTokens) : 0
      const limitBytes =
        cache.kind === 'paged'
          ? blocks * cache.blockTokens * tokenBytes(shape)
          : // Whole pages of every tensor, and zeroed memory that is on its way.
            2 * bytes + 2 ** 34
      const options = { shape, cache, maxSequences: 2, maxLength: tokens, limitBytes, ...classes }
      found.push({ ...about, cache: openCache(device.device, options) })
    } catch (error) {
      recorder.skip(`prompts of ${tokens} tokens, ${about.name}`, error)
    }
  }
  for (const cache of caches) {
    if (cache.kind === 'paged') {
      const pageClasses = 'none: blocks of a pool'
      const about = { cacheName: cache.name, pageClasses, memory: 'pool' } as const
      add({ ...about, name: cache.name }, cache, { name: '' })
      continue
    }
    // A cache that names its page is asked for with no other.
    const all = cache.pageBytes === undefined ? prompts.pageClasses : [{ name: 'as named' }]
    for (const classes of all) {
      const about = { cacheName: cache.name, pageClasses: classes.name }
      const name = `${cache.name}, ${classes.name}`
      add({ ...about, name, memory: 'fresh' }, cache, classes)
      if (classes.pageBytes === undefined) {
        add({ ...about, name: `${name}, recycled`, memory: 'recycled' }, cache, classes)
      }
    }
  }
  return found
}

async function back(
  { device, clock }: SuiteContext,
  { cache, memory }: Subject,
  tokens: number,
): Promise<Backed> {
  const { sequence } = cache.allocate()!
  const [handles, lengths] = [Uint32Array.of(sequence), Uint32Array.of(tokens)]
  const begun = clock.now()
  const result = cache.step(handles, lengths)
  const stepped = clock.now()
  if (device.stream) {
    cache.waitReady(device.stream)
    await device.stream.synchronize()
  }
  const ready = clock.now()
  const { driverCalls, mappedBytes } = must(result)
  const { neededBytes } = cache.stats()
  cache.free(sequence)
  if (memory === 'fresh') await trimAll(cache)
  await device.synchronize()
  return {
    stepUs: (stepped - begun) * 1000,
    readyUs: (ready - begun) * 1000,
    driverCalls,
    mappedBytes,
    neededBytes,
  }
}
