/** Forks and truncation: shared rows are never written, whoever goes on first. */
import { codes, expect, expectEqual, expectError } from '../expect.ts'
import { Random } from '../random.ts'
import type { CacheCase } from './context.ts'

const group = 'forks'
const parentLength = 700
const forkLengths = [0, 1, 15, 16, 17, 255, 256, 257, 511, 512, 699, 700]

/** Cases of `fork` and `truncate`. */
export const forkCases: readonly CacheCase[] = [
  {
    group,
    name: 'forks: a fork shows the first tokens of its source and nothing after them',
    needs: {},
    run(context) {
      using probe = context.probe({ maxSequences: 16 })
      const parent = probe.add(parentLength, 1)
      for (const length of forkLengths) {
        const child = probe.fork(parent, length)
        probe.step([child], [length + 5])
        probe.expectRows(child, 1, 0, length, `fork after ${length}`)
        probe.expectZeros(child, length, length + 5, `new rows of a fork after ${length}`)
        probe.cache.free(child)
      }
    },
  },
  {
    group,
    name: 'forks: a fork and its source grow apart',
    needs: {},
    run(context) {
      using probe = context.probe({ maxSequences: 32, maxLength: 1024 })
      const parent = probe.add(parentLength, 1)
      const children = forkLengths.map((length, i) => ({
        child: probe.fork(parent, length),
        label: 10 + i,
        length,
      }))
      for (const { child, length, label } of children) {
        probe.step([child], [length + 40])
        probe.write(child, label, length, length + 40)
      }
      probe.step([parent], [parentLength + 40])
      probe.write(parent, 2, parentLength, parentLength + 40)
      for (const { child, length, label } of children) {
        probe.expectRows(child, 1, 0, length, `fork after ${length}, shared`)
        probe.expectRows(child, label, length, length + 40, `fork after ${length}, own`)
      }
      probe.expectRows(parent, 1, 0, parentLength, 'source, shared')
      probe.expectRows(parent, 2, parentLength, parentLength + 40, 'source, own')
    },
  },
  {
    group,
    name: 'forks: what is shared counts once',
    needs: { sharesMemory: true },
    run(context) {
      using probe = context.probe({ tokens: 16_384, maxSequences: 16 })
      const parent = probe.add(1024, 1)
      const { usedBytes, mappedBytes } = probe.cache.stats()
      const children = Array.from({ length: 8 }, () => probe.fork(parent, 1024))
      probe.step(
        children,
        children.map(() => 1024),
      )
      const after = probe.checkBooks('after eight forks')
      expectEqual(after.usedBytes, usedBytes, 'usedBytes with eight forks of all tokens')
      expect(
        after.mappedBytes < 3 * mappedBytes,
        `mapped ${after.mappedBytes}, alone ${mappedBytes}`,
      )
      expect(after.sharedBytes > 0, 'sharedBytes is 0 with eight forks')
      for (const child of children) probe.expectRows(child, 1, 0, 1024, 'a fork')
    },
  },
  {
    group,
    name: 'forks: a fork lives on when its source is freed, and the other way round',
    needs: {},
    run(context) {
      using probe = context.probe({ tokens: 8192 })
      const parent = probe.add(600, 1)
      const child = probe.fork(parent, 500)
      probe.step([child], [520])
      probe.write(child, 2, 500, 520)
      probe.cache.free(parent)
      const other = probe.add(900)
      probe.fill(other, NaN, 0, 900)
      probe.expectRows(child, 1, 0, 500, 'fork, shared')
      probe.expectRows(child, 2, 500, 520, 'fork, own')
      const grandchild = probe.fork(child, 510)
      probe.step([grandchild], [510])
      probe.cache.free(grandchild)
      probe.expectRows(child, 1, 0, 500, 'fork, its own fork freed')
    },
  },
  {
    group,
    name: 'forks: a source freed before the fork is backed',
    needs: {},
    run(context) {
      using probe = context.probe({ tokens: 8192 })
      const parent = probe.add(600, 1)
      const child = probe.fork(parent, 500)
      probe.cache.free(parent)
      const other = probe.add(900)
      probe.fill(other, NaN, 0, 900)
      probe.step([child], [501])
      probe.expectRows(child, 1, 0, 500, 'fork')
    },
  },
  {
    group,
    name: 'forks: a source truncated and rewritten before the fork is backed',
    needs: {},
    run(context) {
      using probe = context.probe({ tokens: 8192 })
      const parent = probe.add(600, 1)
      const child = probe.fork(parent, 500)
      probe.cache.truncate(parent, 100)
      probe.step([parent], [600])
      probe.write(parent, 2, 100, 600)
      probe.step([child], [501])
      probe.expectRows(child, 1, 0, 500, 'fork')
      probe.expectRows(parent, 2, 100, 600, 'source')
    },
  },
  {
    group,
    name: 'forks: a step without memory for a fork changes nothing',
    needs: {},
    run(context) {
      using probe = context.probe({ tokens: 2048, maxLength: 8192 })
      const parent = probe.add(500, 1)
      const filler = probe.allocate()
      probe.growUntilFull(filler, 16)
      const child = probe.fork(parent, 490)
      const refused = probe.tryStep([child], [2000])
      expectEqual(refused.status, 'outOfMemory', 'status')
      probe.expectRows(parent, 1, 0, 500, 'source after outOfMemory')
      probe.cache.free(filler)
      probe.step([child], [520])
      probe.write(child, 2, 490, 520)
      probe.expectRows(child, 1, 0, 490, 'fork, shared')
      probe.expectRows(parent, 1, 0, 500, 'source')
    },
  },
  {
    group,
    name: 'forks: a length beyond the source is refused',
    needs: {},
    async run(context) {
      using probe = context.probe()
      const parent = probe.add(50, 1)
      await expectError(() => probe.cache.fork(parent, 51), codes.argument, 'one token too many')
      await expectError(() => probe.cache.fork(parent, -1), codes.argument, 'a negative length')
      await expectError(() => probe.cache.fork(parent, 1.5), codes.argument, 'half a token')
      expectEqual(probe.cache.stats().liveSequences, 1, 'liveSequences')
    },
  },
  {
    group,
    name: 'forks: truncated tokens are gone, those before them stay',
    needs: {},
    run(context) {
      using probe = context.probe()
      const sequence = probe.add(parentLength, 1)
      for (const length of [...forkLengths].reverse()) {
        probe.cache.truncate(sequence, length)
        expectEqual(probe.cache.backedLength(sequence), length, 'backedLength')
        probe.expectRows(sequence, 1, 0, length, `truncated to ${length}`)
        probe.checkBooks(`truncated to ${length}`)
      }
      probe.step([sequence], [parentLength])
      probe.expectZerosOrOwn(sequence, 1, 0, parentLength, 'grown again')
    },
  },
  {
    group,
    name: 'forks: truncating and rewriting either side leaves the other alone',
    needs: {},
    run(context) {
      using probe = context.probe({ maxSequences: 4 })
      for (const rewritten of ['fork', 'source'] as const) {
        for (const length of [0, 1, 16, 100, 256, 300, 512, 599]) {
          const parent = probe.add(600, 1)
          const child = probe.fork(parent, 600)
          probe.step([child], [600])
          const [writer, reader] = rewritten === 'fork' ? [child, parent] : [parent, child]
          probe.cache.truncate(writer, length)
          probe.step([writer], [610])
          probe.write(writer, 9, length, 610)
          const what = `${rewritten} truncated to ${length}`
          probe.expectRows(reader, 1, 0, 600, `${what}: the other`)
          probe.expectRows(writer, 1, 0, length, `${what}: kept`)
          probe.expectRows(writer, 9, length, 610, `${what}: rewritten`)
          probe.cache.free(writer)
          probe.expectRows(reader, 1, 0, 600, `${what} and freed: the other`)
          probe.cache.free(reader)
        }
      }
    },
  },
  {
    group,
    name: 'forks: a tree of forks, truncated, rewritten and freed at random',
    needs: {},
    run(context) {
      using probe = context.probe({ maxSequences: 12, maxLength: 900 })
      const random = new Random(5)
      // For each live sequence the label of every token.
      const live = new Map([[probe.add(300, 1), Array<number>(300).fill(1)]])
      for (let round = 2; round < 160; round++) {
        const [sequence, labels] = random.pick([...live])
        const cut = random.integer(labels.length + 1)
        const operation = random.integer(4)
        if (operation === 0 && live.size < 12) {
          const child = probe.fork(sequence, cut)
          probe.step([child], [cut])
          live.set(child, labels.slice(0, cut))
        } else if (operation === 1) {
          probe.cache.truncate(sequence, cut)
          labels.length = cut
        } else if (operation === 2 && live.size > 2) {
          probe.cache.free(sequence)
          live.delete(sequence)
        } else {
          const length = Math.min(900, labels.length + 1 + random.integer(80))
          probe.step([sequence], [length])
          probe.write(sequence, round, labels.length, length)
          while (labels.length < length) labels.push(round)
        }
        for (const [one, content] of live) expectLabels(probe, one, content, `round ${round}`)
      }
    },
  },
]

/** Fails unless each token is that of its label. */
function expectLabels(
  probe: ReturnType<Parameters<CacheCase['run']>[0]['probe']>,
  sequence: Parameters<typeof probe.expectRows>[0],
  labels: readonly number[],
  what: string,
): void {
  for (let from = 0; from < labels.length;) {
    let to = from + 1
    while (to < labels.length && labels[to] === labels[from]) to++
    probe.expectRows(sequence, labels[from]!, from, to, what)
    from = to
  }
}
