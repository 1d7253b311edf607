/** Prefixes: what was published is shared, within its salt, at most all but the last token. */
import type { KvCache, Sequence } from '@vattention/interface'

import { codes, expect, expectEqual, expectError } from '../expect.ts'
import type { CacheCase } from './context.ts'
import type { CacheProbe } from './probe.ts'

const group = 'prefixes'
const needs = { prefixIndex: true }

/** Long enough for a few pages of 64 KiB in every tensor, and not a multiple of anything. */
const promptLength = 1550

/** Token ids of a prompt; equal seeds begin alike up to `common`. */
function prompt(length: number, seed = 0, common = 0): Uint32Array {
  return Uint32Array.from({ length }, (_, i) => (i < common ? i : i + seed * 100_003))
}

/** A sequence with a published prompt. */
function published(probe: CacheProbe, label: number, tokens: Uint32Array, salt?: string): Sequence {
  const sequence = probe.add(tokens.length, label)
  probe.cache.publish(sequence, tokens, salt)
  return sequence
}

/** Allocates with a prefix. */
function hit(cache: KvCache, prefix: Uint32Array, salt?: string) {
  const allocation = cache.allocate({ prefix, ...(salt !== undefined && { salt }) })
  expect(allocation !== undefined, 'allocate: expected a slot, found none')
  const { sequence, sharedLength } = allocation
  const inRange = Number.isInteger(sharedLength) && sharedLength >= 0
  expect(inRange, `sharedLength is ${sharedLength}`)
  const most = Math.max(0, prefix.length - 1)
  expect(sharedLength <= most, `${sharedLength} of ${prefix.length} tokens shared: at most ${most}`)
  return { sequence, sharedLength }
}

/** Cases of `publish` and `allocate` with a prefix. */
export const prefixCases: readonly CacheCase[] = [
  {
    group,
    name: 'prefixes: a published prompt is shared, while its sequence lives and afterwards',
    needs,
    run(context) {
      using probe = context.probe()
      const tokens = prompt(promptLength)
      const first = published(probe, 1, tokens)
      for (const alive of [true, false]) {
        if (!alive) probe.cache.free(first)
        const { sequence, sharedLength } = hit(probe.cache, tokens)
        expect(sharedLength > 0, `nothing shared, publisher ${alive ? 'alive' : 'freed'}`)
        probe.step([sequence], [promptLength])
        probe.expectRows(sequence, 1, 0, sharedLength, 'shared tokens')
        probe.expectZeros(sequence, sharedLength, promptLength, 'tokens after them')
        probe.cache.free(sequence)
      }
    },
  },
  {
    group,
    name: 'prefixes: at most all tokens but the last are shared',
    needs,
    run(context) {
      using probe = context.probe()
      published(probe, 1, prompt(promptLength))
      for (const length of [1, 2, 16, 17, 256, 257, 512, 1024, 1025, promptLength]) {
        const { sequence, sharedLength } = hit(probe.cache, prompt(length))
        probe.step([sequence], [length])
        probe.expectRows(sequence, 1, 0, sharedLength, `a prompt of ${length}`)
        probe.cache.free(sequence)
      }
      const longer = hit(probe.cache, prompt(2000, 3, promptLength))
      probe.step([longer.sequence], [2000])
      probe.expectRows(longer.sequence, 1, 0, longer.sharedLength, 'a longer prompt')
    },
  },
  {
    group,
    name: 'prefixes: only tokens that are equal are shared',
    needs,
    run(context) {
      using probe = context.probe()
      published(probe, 1, prompt(promptLength))
      for (const common of [0, 1, 100, 256, 257, 700, 1024]) {
        const { sequence, sharedLength } = hit(probe.cache, prompt(promptLength, 1, common))
        expect(sharedLength <= common, `${sharedLength} tokens shared, ${common} are equal`)
        probe.step([sequence], [promptLength])
        probe.expectRows(sequence, 1, 0, sharedLength, `${common} equal tokens`)
        probe.cache.free(sequence)
      }
    },
  },
  {
    group,
    name: 'prefixes: the same tokens in other places are not shared',
    needs,
    run(context) {
      using probe = context.probe()
      const tokens = prompt(promptLength)
      published(probe, 1, tokens)
      for (const shift of [1, 16, 256]) {
        expectEqual(
          hit(probe.cache, tokens.slice(shift)).sharedLength,
          0,
          `tokens from ${shift} on`,
        )
      }
    },
  },
  {
    group,
    name: 'prefixes: salts are kept apart',
    needs,
    run(context) {
      using probe = context.probe({ maxSequences: 16 })
      const tokens = prompt(promptLength)
      published(probe, 1, tokens, 'first')
      for (const salt of [undefined, '', 'second', 'First', 'first ']) {
        expectEqual(hit(probe.cache, tokens, salt).sharedLength, 0, `shared with salt ${salt}`)
      }
      published(probe, 2, tokens, 'second')
      for (const [label, salt] of [
        [1, 'first'],
        [2, 'second'],
      ] as const) {
        const { sequence, sharedLength } = hit(probe.cache, tokens, salt)
        expect(sharedLength > 0, `nothing shared with salt ${salt}`)
        probe.step([sequence], [promptLength])
        probe.expectRows(sequence, label, 0, sharedLength, `salt ${salt}`)
      }
    },
  },
  {
    group,
    name: 'prefixes: who hits a prefix goes on alone',
    needs,
    run(context) {
      using probe = context.probe()
      const tokens = prompt(promptLength)
      const first = published(probe, 1, tokens)
      const hits = [5, 6].map((label) => ({ label, ...hit(probe.cache, tokens) }))
      for (const { sequence, sharedLength, label } of hits) {
        probe.step([sequence], [promptLength + 100])
        probe.write(sequence, label, sharedLength, promptLength + 100)
      }
      for (const { sequence, sharedLength, label } of hits) {
        probe.expectRows(sequence, 1, 0, sharedLength, 'shared')
        probe.expectRows(sequence, label, sharedLength, promptLength + 100, 'own')
      }
      probe.expectRows(first, 1, 0, promptLength, 'publisher')
    },
  },
  {
    group,
    name: 'prefixes: truncating and rewriting shared tokens leaves what was published alone',
    needs,
    run(context) {
      using probe = context.probe()
      const tokens = prompt(promptLength)
      const first = published(probe, 1, tokens)
      const second = hit(probe.cache, tokens)
      probe.step([second.sequence], [promptLength])
      for (const one of [second.sequence, first]) {
        probe.cache.truncate(one, 100)
        probe.step([one], [promptLength])
        probe.write(one, 9, 100, promptLength)
        const third = hit(probe.cache, tokens)
        probe.step([third.sequence], [promptLength])
        probe.expectRows(third.sequence, 1, 0, third.sharedLength, 'a later hit')
        probe.cache.free(third.sequence)
        probe.expectRows(one, 9, 100, promptLength, 'the rewritten one')
      }
    },
  },
  {
    group,
    name: 'prefixes: a hit survives that its publisher is freed before it is backed',
    needs,
    run(context) {
      using probe = context.probe({ tokens: 8192 })
      const tokens = prompt(promptLength)
      const first = published(probe, 1, tokens)
      const { sequence, sharedLength } = hit(probe.cache, tokens)
      probe.cache.free(first)
      const other = probe.add(2000)
      probe.fill(other, NaN, 0, 2000)
      probe.step([sequence], [promptLength])
      probe.expectRows(sequence, 1, 0, sharedLength, 'hit')
    },
  },
  {
    group,
    name: 'prefixes: publishing as a sequence grows, and again, is fine',
    needs,
    run(context) {
      using probe = context.probe()
      const tokens = prompt(promptLength)
      const sequence = probe.allocate()
      for (let length = 0; length < promptLength;) {
        const next = Math.min(promptLength, length + 310)
        probe.step([sequence], [next])
        probe.write(sequence, 1, length, next)
        probe.cache.publish(sequence, tokens.slice(0, next))
        probe.cache.publish(sequence, tokens.slice(0, length))
        probe.checkBooks('after publish')
        length = next
      }
      published(probe, 1, tokens) // somebody else computed the same
      const found = hit(probe.cache, tokens)
      expect(found.sharedLength > 0, 'nothing shared')
      probe.step([found.sequence], [promptLength])
      probe.expectRows(found.sequence, 1, 0, found.sharedLength, 'a later hit')
    },
  },
  {
    group,
    name: 'prefixes: what is published goes when memory is needed',
    needs,
    run(context) {
      using probe = context.probe({ tokens: 4096, maxLength: 8192 })
      for (let round = 0; round < 6; round++) {
        const sequence = published(probe, round, prompt(promptLength, round))
        probe.cache.free(sequence)
      }
      const { retainedBytes, parkedBytes } = probe.checkBooks('after publishing')
      expect(retainedBytes + parkedBytes > 0, 'nothing was kept for later prompts')
      const all = probe.allocate()
      const { length } = probe.growUntilFull(all, 128)
      expect(length >= 3072, `only ${length} of 4096 tokens fit while nothing else is live`)
      probe.expectZeros(all, 0, length, 'memory that was published')
    },
  },
  {
    group,
    name: 'prefixes: a prefix in use is not given up',
    needs,
    run(context) {
      using probe = context.probe({ tokens: 4096, maxLength: 8192 })
      const tokens = prompt(promptLength)
      probe.cache.free(published(probe, 1, tokens))
      const reserved = hit(probe.cache, tokens)
      const other = probe.allocate()
      probe.growUntilFull(other, 64)
      probe.cache.free(other)
      probe.step([reserved.sequence], [promptLength])
      probe.expectRows(reserved.sequence, 1, 0, reserved.sharedLength, 'a prefix that was promised')
    },
  },
  {
    group,
    name: 'prefixes: publishing what is not backed is refused',
    needs,
    async run(context) {
      using probe = context.probe()
      const sequence = probe.add(100, 1)
      const publish = () => probe.cache.publish(sequence, prompt(101))
      await expectError(publish, codes.argument, 'one token more than is backed')
      const list = () => probe.cache.publish(sequence, [1, 2, 3] as never)
      await expectError(list, codes.argument, 'tokens that are no Uint32Array')
      expectEqual(hit(probe.cache, prompt(101)).sharedLength, 0, 'shared after refusals')
    },
  },
  {
    group,
    name: 'prefixes: queries and hits are counted',
    needs,
    run(context) {
      using probe = context.probe()
      const tokens = prompt(promptLength)
      published(probe, 1, tokens)
      const before = probe.cache.stats()
      const { sequence, sharedLength } = hit(probe.cache, tokens)
      hit(probe.cache, prompt(500, 7))
      probe.step([sequence], [promptLength])
      const after = probe.cache.stats()
      expectEqual(after.prefixQueries - before.prefixQueries, 2, 'prefixQueries')
      expectEqual(
        after.prefixQueryTokens - before.prefixQueryTokens,
        promptLength + 500,
        'tokens asked',
      )
      expectEqual(after.prefixHitTokens - before.prefixHitTokens, sharedLength, 'tokens hit')
      const moved = after.aliasedTokens + after.copiedTokens
      const movedBefore = before.aliasedTokens + before.copiedTokens
      expectEqual(moved - movedBefore, sharedLength, 'tokens aliased and copied')
    },
  },
]
