/**
 * What a cache does with memory, seen through attention: forks, truncated and slid sequences and
 * prefix hits give what sequences give that were written anew.
 */
import type { Capabilities } from '@vattention/interface'

import { SkipCase } from '../case.ts'
import { expect } from '../expect.ts'
import { baseConfig, type CacheKind } from './base-config.ts'
import type { BackendCase } from './context.ts'
import { doPass } from './pass.ts'
import type { Scene, SceneOptions } from './scene.ts'

const group = 'sharing'

/** Around block and page edges, and nothing and everything. */
const forkLengths = [0, 1, 15, 16, 17, 100, 127, 128, 129, 255, 256, 257, 299, 300]
const forkedLength = 300
const room: SceneOptions = { lengths: [400, 400, 400], tokens: 3 }

/** Cases of sharing, over a cache of `kind`. */
export function sharingCases(capabilities: Capabilities, kind: CacheKind): BackendCase[] {
  const config = baseConfig(capabilities, kind, { layers: 2 })
  const windowed = baseConfig(capabilities, kind, { layers: 2, window: 64 })
  // Long enough that whole pages leave: they are larger on a GPU.
  const slidLength = capabilities.deviceType === 'cpu' ? 500 : 6000
  const make = (
    name: string,
    play: (scene: Scene) => Promise<void>,
    options = room,
    used = config,
  ): BackendCase => ({
    group,
    name: `${group}: ${name} (${kind})`,
    needs: { configs: [used], flags: ['decode'], longest: Math.max(...options.lengths) },
    async run(context) {
      using scene = context.scene(used, options)
      await play(scene)
    },
  })
  return [
    ...forkLengths.map((length) =>
      make(`a fork after ${length} tokens and its source go separate ways`, (scene) =>
        forkAndDiverge(scene, length),
      ),
    ),
    make('a fork outlives its source', async (scene) => {
      const source = scene.add(forkedLength)
      const child = scene.fork(source, 200)
      await decode(scene, [child], 2)
      scene.free(source)
      scene.add(forkedLength) // takes what the source left
      await decode(scene, [child], 3)
    }),
    make('a fork of a fork', async (scene) => {
      const first = scene.add(forkedLength)
      const second = scene.fork(first, 250)
      await decode(scene, [first, second], 2)
      const third = scene.fork(second, 251)
      await decode(scene, [first, second, third], 3)
      for (const one of [first, second, third]) scene.expectContent(one, 'after decoding')
    }),
    make('a truncated sequence goes on with other tokens', async (scene) => {
      const sequence = scene.add(200)
      for (const length of [199, 128, 127, 64, 17, 16, 1, 0]) {
        scene.truncate(sequence, length)
        await decode(scene, [sequence], 3)
        scene.expectContent(sequence, `after truncating to ${length}`)
        if (scene.cache.backedLength(sequence.handle) < 200) scene.step([sequence], [200])
        scene.write(sequence, 200)
      }
    }),
    make('truncating and rewriting a fork leaves its source alone', async (scene) => {
      const source = scene.add(forkedLength)
      const child = scene.fork(source, forkedLength)
      await decode(scene, [child], 1)
      for (const length of [290, 256, 130, 17]) {
        scene.truncate(child, length)
        await decode(scene, [child, source], 2)
        scene.expectContent(source, `source, fork truncated to ${length}`)
        scene.expectContent(child, `fork truncated to ${length}`)
      }
    }),
    make('truncating and rewriting a source leaves its fork alone', async (scene) => {
      const source = scene.add(forkedLength)
      const child = scene.fork(source, 280)
      await decode(scene, [child], 1)
      for (const length of [270, 200, 128, 5]) {
        scene.truncate(source, length)
        await decode(scene, [source, child], 2)
        scene.expectContent(child, `fork, source truncated to ${length}`)
      }
    }),
    make(
      'a slid sequence gives what its window holds',
      async (scene) => {
        const sequence = scene.add(slidLength)
        const other = scene.add(50)
        for (let round = 0; round < 40; round++) {
          if (round % 4 === 3) scene.slide(sequence, sequence.length - 64 + 1)
          await decode(scene, [other, sequence], 1)
        }
        scene.expectContent(sequence, 'after sliding')
      },
      {
        lengths: [slidLength + 100, 100],
        tokens: 2,
        contiguous: { leadRows: capabilities.leadRows },
      },
      windowed,
    ),
    make('a prefix hit gives what the published sequence holds', prefixHit, {
      ...room,
      lengths: [3100, 3100, 3100],
      tokens: 4,
    }),
  ]
}

/** Decodes `count` tokens, one pass each, every result checked. */
async function decode(scene: Scene, sequences: Parameters<Scene['step']>[0], count: number) {
  for (let i = 0; i < count; i++) {
    await doPass(
      scene,
      sequences.map((sequence) => ({ sequence, queryLength: 1 })),
    )
  }
}

async function forkAndDiverge(scene: Scene, length: number): Promise<void> {
  const source = scene.add(forkedLength)
  const child = scene.fork(source, length)
  await decode(scene, [child, source], 3)
  scene.expectContent(source, 'source')
  scene.expectContent(child, 'fork')
  scene.free(child)
  await decode(scene, [source], 1)
  scene.expectContent(source, 'source, fork freed')
}

/** Publishes a long prompt, hits it alive and after its end, and goes on from there. */
async function prefixHit(scene: Scene): Promise<void> {
  const length = 3000
  const tokens = Uint32Array.from({ length }, (_, i) => i * 7)
  const first = scene.add(length)
  scene.cache.publish(first.handle, tokens)
  let published = first
  for (const alive of [true, false]) {
    if (!alive) scene.free(published)
    const allocation = scene.cache.allocate({ prefix: tokens })
    expect(allocation !== undefined, 'allocate: expected a slot, found none')
    const { sequence, sharedLength } = allocation
    expect(
      sharedLength < length,
      `${sharedLength} of ${length} tokens shared: the last must not be`,
    )
    if (sharedLength === 0) throw new SkipCase('the cache shared nothing of 3000 published tokens')
    const hit = scene.track(sequence)
    hit.copyFrom(published, sharedLength)
    await decode(scene, [hit], 2)
    scene.expectContent(hit, `prefix hit, publisher ${alive ? 'alive' : 'freed'}`)
    if (alive) {
      await decode(scene, [published, hit], 1)
      scene.expectContent(published, 'publisher')
      scene.free(hit)
    }
    published = alive ? published : hit
  }
}
