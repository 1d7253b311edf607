import type { Sequence, StepResult } from '@vattention/interface'
import type { PagedKvCache } from '@vattention/paged-attention'

import { shuffle, type Random } from './random.ts'

/** The result of a step that must have succeeded. */
export function must(result: StepResult): Extract<StepResult, { status: 'ok' }> {
  if (result.status === 'ok') return result
  const { limit, neededBytes } = result
  throw new Error(`a step got no memory: ${neededBytes} bytes were needed (limit: ${limit})`)
}

/**
 * Leaves a paged pool's free blocks in a random order, as a server that has run for a while has
 * them: sequences take all blocks, and give them back one by one, each time another of them.
 *
 * @param blocks That are taken: as many as the pool has.
 */
export function scatterBlocks(cache: PagedKvCache, blocks: number, random: Random): void {
  const { blockTokens } = cache
  const { maxSequences, maxLength } = cache.shape
  const handles = Uint32Array.from(
    { length: maxSequences },
    () => cache.allocate()!.sequence as number,
  )
  const held = new Uint32Array(maxSequences)
  const most = Math.floor(maxLength / blockTokens)
  const all = [...handles.keys()]
  for (let left = blocks; left > 0;) {
    const growing = shuffle([...all], random)
      .filter((i) => held[i]! < most)
      .slice(0, Math.min(left, Math.ceil(maxSequences / 2)))
    if (growing.length === 0) throw new Error('the sequences are too short for the pool')
    for (const i of growing) held[i]!++
    left -= growing.length
    const lengths = Uint32Array.from(growing, (i) => held[i]! * blockTokens)
    const growingHandles = Uint32Array.from(growing, (i) => handles[i]!)
    must(cache.step(growingHandles, lengths))
  }
  const live = all.filter((i) => held[i]! > 0)
  while (live.length > 0) {
    const at = random.integer(0, live.length - 1)
    const i = live[at]!
    cache.truncate(handles[i] as Sequence, --held[i]! * blockTokens)
    if (held[i] === 0) live.splice(at, 1)
  }
  for (const handle of handles) cache.free(handle as Sequence)
}

/** Share of a table's neighbours that are not neighbours in memory: 1 is scattered, 0 in order. */
export function scatterShare(cache: PagedKvCache, handles: Uint32Array, length: number): number {
  const stride = Math.ceil(length / cache.blockTokens)
  const tables = new Int32Array(handles.length * stride)
  const view = cache.view()
  view.blockTables(handles, tables, stride)
  let apart = 0
  for (let i = 1; i < tables.length; i++) if (tables[i] !== tables[i - 1]! + 1) apart++
  return tables.length > 1 ? apart / (tables.length - 1) : 1
}
