import type { PagedView, Sequence } from '@vattention/interface'

import { interleave, latencies, must } from '../../harness/index.ts'
import {
  tokenBytes,
  type NamedCache,
  type NamedShape,
  type SuiteContext,
} from '../../suite/index.ts'
import { granuleBytes, openCache, type BenchCache } from '../memory/open-cache.ts'
import { Room } from '../memory/room.ts'
import { openSequences } from './timed-step.ts'

/** One kind of call: what is timed, and what is done before each time. */
interface Call {
  readonly name: string
  readonly cache: BenchCache
  readonly action: () => void
  readonly prepare?: () => void
}

/** Calls of a subject in one round. */
const callsPerRound = 20

/** Between rounds. */
const restMs = 10

const promptTokens = 1024
const prefixTokens = 2048
const forkTokens = 1000

/** Which calls are measured. */
export interface Calls {
  readonly shape: NamedShape
  readonly caches: readonly NamedCache[]
  readonly sequences: number
  readonly rounds: number
  readonly budgetMs: number
}

/** What a cache's calls cost beside a step that finds everything there. */
export async function measureCalls(context: SuiteContext, about: Calls): Promise<void> {
  const { recorder, clock, random, signal } = context
  for (const cache of about.caches) {
    const calls: Call[] = []
    const room = new Room(context.device)
    try {
      for (const make of makers) {
        try {
          calls.push(make({ ...context, room }, about, cache))
        } catch (error) {
          recorder.skip(`calls of ${cache.name}`, error)
        }
      }
      const found = new Map<string, number[]>(calls.map(({ name }) => [name, []]))
      await interleave({
        subjects: Object.fromEntries(calls.map((call) => [call.name, () => time(call)])),
        collect: (name, us: number[]) => found.get(name)!.push(...us),
        most: about.rounds,
        budgetMs: about.budgetMs / about.caches.length,
        restMs,
        ...{ clock, random, signal },
      })
      for (const [call, callUs] of found) {
        if (callUs.length === 0) continue
        recorder.add({
          name: `${cache.name}: ${call}`,
          parameters: { part: 'calls', call, cache: cache.name, shape: about.shape.name },
          metrics: { callUs: latencies(callUs) },
        })
      }
    } finally {
      for (const call of calls) await call.cache.disposeAsync()
    }
  }

  function time({ action, prepare }: Call): number[] {
    return Array.from({ length: callsPerRound }, () => {
      prepare?.()
      const begun = clock.now()
      action()
      return (clock.now() - begun) * 1000
    })
  }
}

/** What calls are measured with, and the memory that their caches share. */
type CallsContext = SuiteContext & { readonly room: Room }

type Maker = (context: CallsContext, about: Calls, cache: NamedCache) => Call

/** A cache for so many sequences of so many tokens. */
function small(
  { device, room }: CallsContext,
  { shape }: Calls,
  cache: NamedCache,
  sequences: number,
  tokens: number,
): BenchCache {
  const bytes = sequences * tokenBytes(shape) * tokens
  const limitBytes = cache.kind === 'paged' ? 2 * bytes : 2 * bytes + 2 ** 32
  const about = { shape, cache, limitBytes, maxSequences: sequences, maxLength: 2 * tokens }
  // Twice the tokens: those of a fork or of a cached prefix, and their copies; and whole pages.
  room.take(2 * bytes + 2 * sequences * granuleBytes(device.device, about))
  return openCache(device.device, { ...about, prefixCache: true })
}

/** The first sequence of a cache, stepped to so many tokens. */
function grown(cache: BenchCache, tokens: number): Sequence {
  const { sequence } = cache.allocate()!
  must(cache.step(Uint32Array.of(sequence), Uint32Array.of(tokens)))
  return sequence
}

const tokensOf = (count: number) => Uint32Array.from({ length: count }, (_, i) => i * 7)

const lookup =
  (name: string, of: (tokens: Uint32Array) => Uint32Array): Maker =>
  (context, about, kind) => {
    const cache = small(context, about, kind, 4, prefixTokens)
    const tokens = tokensOf(prefixTokens)
    cache.publish(grown(cache, prefixTokens), tokens)
    const prefix = of(tokens)
    return { name, cache, action: () => cache.free(cache.allocate({ prefix })!.sequence) }
  }

const makers: readonly Maker[] = [
  function step(context, about, kind) {
    const cache = small(context, about, kind, about.sequences, 64)
    const handles = openSequences(cache, about.sequences)
    const lengths = new Uint32Array(about.sequences).fill(40)
    must(cache.step(handles, lengths))
    return {
      name: 'step, nothing to do',
      cache,
      action: () => must(cache.step(handles, lengths)),
    }
  },
  /** Every sequence gets a token a step; those that are long enough are replaced. */
  function decode(context, about, kind) {
    const most = 480
    const cache = small(context, about, kind, about.sequences, most + 16)
    const handles = openSequences(cache, about.sequences)
    const lengths = handles.map((_, i) => 1 + (i % (most - 1)))
    must(cache.step(handles, lengths))
    return {
      name: 'step, decode with turnover',
      cache,
      prepare: () => {
        for (let i = 0; i < handles.length; i++) {
          if (++lengths[i]! <= most) continue
          cache.free(handles[i] as Sequence)
          handles[i] = cache.allocate()!.sequence
          lengths[i] = 1
        }
      },
      action: () => must(cache.step(handles, lengths)),
    }
  },
  function prompt(context, about, kind) {
    const cache = small(context, about, kind, 4, promptTokens)
    const lengths = Uint32Array.of(promptTokens)
    return {
      name: `allocate, step, free: prompt of ${promptTokens}, recycled memory`,
      cache,
      action: () => {
        const { sequence } = cache.allocate()!
        must(cache.step(Uint32Array.of(sequence), lengths))
        cache.free(sequence)
      },
    }
  },
  function fork(context, about, kind) {
    const cache = small(context, about, kind, 4, 2 * forkTokens)
    const source = grown(cache, forkTokens)
    const lengths = Uint32Array.of(forkTokens + 1)
    return {
      name: `fork at ${forkTokens}, step, free`,
      cache,
      action: () => {
        const child = cache.fork(source, forkTokens)!
        must(cache.step(Uint32Array.of(child), lengths))
        cache.free(child)
      },
    }
  },
  lookup(`prefix of ${prefixTokens}, cached`, (tokens) => tokens),
  lookup(`prefix of ${prefixTokens}, unknown`, (tokens) => tokens.map((token) => token + 1)),
  function publish(context, about, kind) {
    const cache = small(context, about, kind, 4, prefixTokens)
    const tokens = tokensOf(prefixTokens)
    const sequence = grown(cache, prefixTokens)
    return {
      name: `publish ${prefixTokens} again`,
      cache,
      action: () => cache.publish(sequence, tokens),
    }
  },
  /** What a kernel is told of where the sequences are. */
  function places(context, about, kind) {
    const cache = small(context, about, kind, about.sequences, 512)
    const handles = openSequences(cache, about.sequences)
    must(cache.step(handles, new Uint32Array(about.sequences).fill(512)))
    const view = cache.view()
    if (view.kind === 'contiguous') {
      const slots = new Int32Array(about.sequences)
      return { name: 'slots', cache, action: () => view.slots(handles, slots) }
    }
    const paged: PagedView = view
    const stride = Math.ceil(512 / paged.blockTokens)
    const tables = new Int32Array(about.sequences * stride)
    return {
      name: 'block tables of 512 tokens',
      cache,
      action: () => paged.blockTables(handles, tables, stride),
    }
  },
]
