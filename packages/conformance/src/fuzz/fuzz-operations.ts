/** What the fuzzer does to a cache. Each operation returns the sequences it was about. */
import type { CacheStats, Sequence, StepResult } from '@vattention/interface'

import { codes, expect, expectEqual, expectError, expectSameFields } from '../expect.ts'
import type { FuzzWorld } from './fuzz-world.ts'
import { ShadowSequence } from './shadow-sequence.ts'

/** An operation: what it did in words, and the sequences whose rows are to be looked at. */
export interface Done {
  readonly what: string
  readonly touched?: readonly Sequence[]
}

type Operation = (world: FuzzWorld) => Done | undefined | Promise<Done | undefined>

/** Prompts begin like one of few, so that prefixes are found; few tokens, so that they part late. */
const openings = 3
const vocabulary = 3
const salts = ['', 'tenant']

function promptOf(world: FuzzWorld): number[] {
  const { random, cache } = world
  const opening = random.integer(openings)
  const shared = random.integer(Math.ceil(cache.shape.maxLength * 0.7))
  const tokens = Array.from({ length: shared }, (_, i) => (opening * 7 + (i >> 3)) % 5)
  const rest = random.integer(8)
  for (let i = 0; i < rest; i++) tokens.push(random.integer(vocabulary))
  return tokens.slice(0, cache.shape.maxLength)
}

function allocate(world: FuzzWorld): Done {
  const { random, cache } = world
  const salt = random.pick(salts)
  const prompt = random.integer(3) > 0 ? promptOf(world) : undefined
  const options = prompt && { prefix: Uint32Array.from(prompt), ...(salt && { salt }) }
  const allocation = cache.allocate(options)
  if (allocation === undefined) {
    expectEqual(world.live.size, cache.shape.maxSequences, 'live sequences when no slot is left')
    return { what: 'allocate: no slot' }
  }
  const { sequence, sharedLength } = allocation
  expect(!world.live.has(sequence), `sequence ${sequence} is handed out twice`)
  expect(
    sharedLength === 0 || sharedLength < (prompt?.length ?? 0),
    `${sharedLength} of a prompt of ${prompt?.length} tokens are shared`,
  )
  const tokens = prompt?.slice(0, sharedLength) ?? []
  const plain = sharedLength === 0
  world.live.set(sequence, new ShadowSequence(sequence, salt, tokens, plain))
  return { what: `allocate ${sequence} with ${sharedLength} of ${prompt?.length ?? 0} shared` }
}

function fork(world: FuzzWorld): Done | undefined {
  const { random, cache } = world
  const source = world.pick(({ tokens, firstKept }) => tokens.length >= firstKept)
  if (!source) return undefined
  const { firstKept } = source
  const length = firstKept + random.integer(source.tokens.length - firstKept + 1)
  const handle = cache.fork(source.handle, length)
  if (handle === undefined) {
    expectEqual(world.live.size, cache.shape.maxSequences, 'live sequences when no slot is left')
    return { what: 'fork: no slot' }
  }
  const { salt, tokens, hashes } = source
  const child = new ShadowSequence(
    handle,
    salt,
    tokens.slice(0, length),
    false,
    hashes.slice(0, length),
  )
  child.firstKept = firstKept
  source.plain = false
  world.live.set(handle, child)
  return { what: `fork ${handle} from ${source.handle} at ${length}`, touched: [source.handle] }
}

/** Steps some sequences by little or much, and writes what they got. */
async function step(world: FuzzWorld): Promise<Done | undefined> {
  const { random, cache } = world
  if (world.live.size === 0) return undefined
  const all = random.shuffle([...world.live.values()])
  const chosen = all.slice(0, 1 + random.integer(all.length))
  const large = random.integer(3) === 0
  const lengths = chosen.map((sequence) => {
    const least = Math.max(sequence.backed, sequence.tokens.length)
    const growth = large ? random.integer(cache.shape.maxLength) : random.integer(4)
    return Math.min(least + growth, cache.shape.maxLength)
  })
  const shown = `step ${chosen.map(({ handle }, i) => `${handle}:${lengths[i]}`).join(' ')}`
  const before = snapshot(world)
  const handles = Uint32Array.from(chosen, ({ handle }) => handle)
  // What is copied may still be written by work in flight: such a step waits for it.
  const waits = world.isBusy && chosen.some(({ plain }) => !plain)
  const result = await stepBy(world, handles, Uint32Array.from(lengths), waits)
  const touched = [...handles] as Sequence[]
  if (result.status === 'outOfMemory') {
    expect(result.neededBytes > 0, 'out of memory, and nothing is needed')
    expectUnchanged(world, before)
    return { what: `${shown}: out of memory (${result.limit})`, touched }
  }
  for (const [i, sequence] of chosen.entries()) {
    world.exorcise(sequence.handle)
    sequence.backed = lengths[i]!
    sequence.stepped = true
  }
  // What is new must not show anybody else's rows, before it is written.
  for (const sequence of chosen) world.checkRows(sequence, true)
  for (const sequence of chosen) {
    if (random.integer(16) > 0) fill(world, sequence)
  }
  return { what: `${shown}: ok, ${result.driverCalls} calls`, touched }
}

async function stepBy(
  world: FuzzWorld,
  handles: Uint32Array,
  lengths: Uint32Array,
  waits: boolean,
): Promise<StepResult> {
  if (!waits && world.random.integer(50) > 0) return world.cache.step(handles, lengths)
  const promise = world.cache.stepAsync(handles, lengths)
  if (waits) world.completeWork(world.work.submitted)
  return promise
}

/** Writes all backed rows of a sequence that have not been written. */
function fill(world: FuzzWorld, sequence: ShadowSequence): void {
  const from = sequence.tokens.length
  const tokens = Array.from({ length: sequence.backed - from }, () =>
    world.random.integer(vocabulary),
  )
  world.rows.write(sequence.handle, from, sequence.append(tokens))
}

interface Snapshot {
  readonly stats: CacheStats
  readonly completed: number
}

const snapshot = (world: FuzzWorld): Snapshot => ({
  stats: world.cache.stats(),
  completed: world.work.completed,
})

/**
 * After a call that must not have changed anything: use is what it was, and so are the states of
 * pages unless somebody else has moved them.
 */
function expectUnchanged(world: FuzzWorld, before: Snapshot): void {
  const after = snapshot(world)
  // The mapper moves pages, and so do fences that pass; prefixes given up on the way are given up.
  // Any step may clear away what waited for its fence, or what a lower limit asks for.
  const { condemnedBytes, totalBytes, limitBytes } = before.stats
  const settled =
    (!world.subject.mapper || world.paused) &&
    condemnedBytes === 0 &&
    totalBytes <= limitBytes &&
    after.completed === before.completed &&
    after.stats.evictions === before.stats.evictions
  const seen = ({ stats }: Snapshot) => ({
    liveSequences: stats.liveSequences,
    usedBytes: stats.usedBytes,
    sharedBytes: stats.sharedBytes,
    neededBytes: stats.neededBytes,
    ...(settled && {
      mappedBytes: stats.mappedBytes,
      retainedBytes: stats.retainedBytes,
      parkedBytes: stats.parkedBytes,
      condemnedBytes: stats.condemnedBytes,
      freeBytes: stats.freeBytes,
    }),
  })
  expectSameFields(seen(after), seen(before), 'a call that must change nothing changed something')
}

function publish(world: FuzzWorld): Done | undefined {
  const sequence = world.pick(({ stepped }) => stepped)
  if (!sequence) return undefined
  const length = world.random.integer(sequence.tokens.length + 1)
  const tokens = Uint32Array.from(sequence.tokens.slice(0, length))
  world.cache.publish(sequence.handle, tokens, sequence.salt)
  sequence.plain = false
  return { what: `publish ${length} of ${sequence.handle}`, touched: [sequence.handle] }
}

function truncate(world: FuzzWorld): Done | undefined {
  const sequence = world.pick()
  if (!sequence) return undefined
  const { handle, firstKept, backed, tokens, stepped } = sequence
  const from = Math.max(backed, tokens.length)
  const length = firstKept + world.random.integer(from - firstKept + 1)
  if (stepped) world.haunt(sequence, Math.min(length, tokens.length), tokens.length)
  const after = world.maybeFence()
  world.cache.truncate(handle, length, after)
  after?.[Symbol.dispose]()
  sequence.truncate(length)
  sequence.plain = false
  return { what: `truncate ${handle} from ${from} to ${length}`, touched: [handle] }
}

function slide(world: FuzzWorld): Done | undefined {
  const sequence = world.pick(({ stepped, tokens }) => stepped && tokens.length > 0)
  if (!sequence) return undefined
  const { handle, tokens, firstKept } = sequence
  const first = world.random.integer(tokens.length)
  if (first > firstKept) world.haunt(sequence, firstKept, first)
  const after = world.maybeFence()
  world.cache.slide(handle, first, after)
  after?.[Symbol.dispose]()
  sequence.firstKept = Math.max(firstKept, first)
  sequence.plain = false
  return { what: `slide ${handle} from ${firstKept} to ${first}`, touched: [handle] }
}

function free(world: FuzzWorld): Done | undefined {
  const sequence = world.pick()
  if (!sequence) return undefined
  const { handle, firstKept, tokens, stepped } = sequence
  if (stepped) world.haunt(sequence, firstKept, tokens.length)
  const after = world.maybeFence()
  world.cache.free(handle, after)
  after?.[Symbol.dispose]()
  world.live.delete(handle)
  world.stale.push(handle)
  return { what: `free ${handle}` }
}

/** Calls that must be refused, and change nothing. */
async function misuse(world: FuzzWorld): Promise<Done | undefined> {
  const { random, cache } = world
  const sequence = world.pick()
  const stale = world.stale.length > 0 ? random.pick(world.stale) : undefined
  const before = snapshot(world)
  const one = (value: number) => Uint32Array.of(value)
  const step = (handles: number[], lengths: number[]) => () =>
    cache.step(Uint32Array.from(handles), Uint32Array.from(lengths))
  const calls: [what: string, call: () => unknown, expected: readonly string[]][] = []
  if (stale !== undefined) {
    const { handle, backed } = sequence ?? { handle: stale, backed: 0 }
    calls.push(
      ['step a stale handle', step([handle, stale], [backed, 1]), [codes.stale, codes.argument]],
      ['free a stale handle', () => cache.free(stale), [codes.stale]],
      ['fork a stale handle', () => cache.fork(stale, 0), [codes.stale]],
      ['truncate a stale handle', () => cache.truncate(stale, 0), [codes.stale]],
      ['slide a stale handle', () => cache.slide(stale, 0), [codes.stale]],
      ['publish a stale handle', () => cache.publish(stale, one(1)), [codes.stale]],
      ['ask a stale handle', () => cache.backedLength(stale), [codes.stale]],
    )
  }
  if (sequence) {
    const { handle, backed, tokens } = sequence
    const least = Math.max(backed, tokens.length)
    const beyond = [codes.argument, codes.batch]
    calls.push(
      ['step twice', step([handle, handle], [least, least]), beyond],
      ['step too far', step([handle], [cache.shape.maxLength + 1]), beyond],
      ['fork too far', () => cache.fork(handle, least + 1), beyond],
      ['truncate too far', () => cache.truncate(handle, least + 1), beyond],
      ['publish too far', () => cache.publish(handle, new Uint32Array(backed + 1)), beyond],
    )
    if (least > 0) calls.push(['step back', step([handle], [least - 1]), beyond])
  }
  if (calls.length === 0) return undefined
  const [what, call, expected] = random.pick(calls)
  await expectError(call, expected, what)
  expectUnchanged(world, before)
  return { what: `refused: ${what}`, touched: sequence ? [sequence.handle] : [] }
}

function limit(world: FuzzWorld): Done {
  const share = world.random.pick([0.3, 0.6, 1, 1.3])
  const { leastLimitBytes = 1 } = world.subject
  world.limitBytes = Math.max(leastLimitBytes, Math.ceil(world.firstLimitBytes * share))
  world.cache.setLimit(world.limitBytes)
  return { what: `limit ${world.limitBytes}`, touched: [...world.live.keys()] }
}

function trim(world: FuzzWorld): Done | undefined {
  if (!world.subject.trim) return undefined
  world.subject.trim(world.random.integer(2) * world.random.integer(2 ** 20))
  return { what: 'trim' }
}

function pause(world: FuzzWorld): Done | undefined {
  const { mapper } = world.subject
  if (!mapper) return undefined
  const action = world.random.integer(3)
  if (action === 0) mapper.pause()
  if (action === 1) mapper.resume()
  if (action < 2) world.paused = action === 0
  if (action === 2 && !world.paused) mapper.drain()
  return { what: ['pause', 'resume', 'drain'][action]! }
}

function work(world: FuzzWorld): Done | undefined {
  const { subject, work: counts, random } = world
  if (!subject.stream) return undefined
  if (world.isBusy && random.integer(2) === 0) {
    const until = counts.completed + 1 + random.integer(counts.submitted - counts.completed)
    world.completeWork(until)
    return { what: `complete ${until}` }
  }
  counts.submitted = subject.stream.submit()
  return { what: `submit ${counts.submitted}` }
}

/** How often each is done, of a hundred. */
export const operations: readonly (readonly [weight: number, name: string, run: Operation])[] = [
  [12, 'allocate', allocate],
  [6, 'fork', fork],
  [32, 'step', step],
  [12, 'publish', publish],
  [8, 'truncate', truncate],
  [4, 'slide', slide],
  [11, 'free', free],
  [4, 'misuse', misuse],
  [2, 'limit', limit],
  [2, 'trim', trim],
  [2, 'pause', pause],
  [5, 'work', work],
]
