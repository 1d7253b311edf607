/**
 * Node owns a cache, PyTorch sees the same pages: what the one writes, the other reads, and no row is
 * ever copied between the processes.
 */
import { ContiguousKvCache, read, write } from '@vattention/core'
import type { Device, DType, Sequence } from '@vattention/interface'

import { PythonProcess } from './python-process.ts'
import { sequenceRows, type Place } from './sequence-rows.ts'

/** One line of what happened. */
export type Log = (line: string) => void

/** What is shared, and with whom. */
export interface InteropOptions {
  readonly python: string
  readonly device: Device
  readonly dtype: DType
  /** Defaults to the cache's own choice for the device. */
  readonly layout?: 'interleaved' | 'split'
  /** Whether Python may write, too. */
  readonly writable: boolean
}

/** What PyTorch says of a tensor. */
interface TorchTensor {
  readonly dtype: string
  readonly device: string
  readonly shape: readonly number[]
  readonly strides: readonly number[]
  readonly values: readonly number[]
}

const layers = 2
const length = 300

/**
 * Shares one sequence with a Python process and compares, row by row.
 * @throws Error when the two sides see different numbers, or Python fails.
 */
export async function run(options: InteropOptions, log: Log): Promise<void> {
  const { python, device, dtype, layout, writable } = options
  using cache = new ContiguousKvCache({
    layers,
    kvHeads: 2,
    headDim: 64,
    dtype,
    maxSequences: 4,
    maxLength: 4096,
    limitBytes: 64 * 2 ** 20,
    device,
    ...(layout ? { layout } : {}),
  })
  const { sequence } = cache.allocate()!
  const step = cache.step(Uint32Array.of(sequence), Uint32Array.of(length))
  if (step.status !== 'ok') throw new Error(`the cache lacks ${step.neededBytes} bytes`)
  for (const place of places()) fill(cache, sequence, place)

  // From here on these rows stay what they are, whatever becomes of the sequence.
  using pages = cache.exportPages(Uint32Array.of(sequence), {
    lengths: Uint32Array.of(length),
    writable,
  })
  await pages.ready.wait()
  const { manifest } = pages
  log(
    `Node: ${length} tokens of ${dtype} on ${device.type}, ` +
      `${manifest.pages.length} pages in ${manifest.files} descriptor(s)`,
  )
  await using torch = new PythonProcess(python, pages.files)
  const { torch: version } = await torch.ask<{ torch: string }>('map', { manifest })
  log(`Python: mapped, PyTorch ${version}`)

  const ask = (place: Place) => torch.ask<TorchTensor>('read', { ...place, sequence: 0 })
  for (const place of places()) {
    const seen = await ask(place)
    compare(place, seen, cache, sequence)
    log(
      `PyTorch sees the ${place.what}s of layer ${place.layer}: ${seen.dtype} ` +
        `[${seen.shape.join(', ')}] on ${seen.device}, strides ${seen.strides.join(', ')}: equal`,
    )
  }
  if (writable) {
    for (const place of places()) await writeFromTorch(torch, cache, sequence, place)
    log('PyTorch negated a row of each in place: Node reads it so')
  }
  // Written by Node while Python has the pages mapped: seen there without another export.
  const changed: Place = { layer: 1, what: 'value' }
  const row = sequenceRows(cache, sequence, changed, length - 1, length)
  write(row, new Float32Array(row.shape[1]! * row.shape[2]!).fill(0.5))
  compare(changed, await ask(changed), cache, sequence)
  log('Node wrote a row in place: PyTorch reads it so')
  await torch.ask('close')
}

/** The keys and the values of every layer. */
function places(): Place[] {
  return Array.from({ length: layers }, (_, layer) =>
    (['key', 'value'] as const).map((what) => ({ layer, what })),
  ).flat()
}

/** Numbers that tell every place from every other: a row that lies elsewhere is found out. */
function fill(cache: ContiguousKvCache, sequence: Sequence, place: Place): void {
  const rows = sequenceRows(cache, sequence, place, 0, length)
  const [tokens, heads, dim] = rows.shape as [number, number, number]
  const seed = 2 * place.layer + (place.what === 'key' ? 0 : 1)
  write(
    rows,
    Float32Array.from({ length: tokens * heads * dim }, (_, i) =>
      Math.sin(1 + i * 0.7 + seed * 78),
    ),
  )
}

function compare(
  { layer, what }: Place,
  seen: TorchTensor,
  cache: ContiguousKvCache,
  sequence: Sequence,
): void {
  const rows = sequenceRows(cache, sequence, { layer, what }, 0, length)
  const expected = read(rows)
  const wrong = expected.findIndex((value, i) => value !== seen.values[i])
  if (wrong < 0 && seen.values.length === expected.length && `${seen.shape}` === `${rows.shape}`) {
    return
  }
  const found =
    wrong < 0 ? `shape ${seen.shape}` : `${seen.values[wrong]} instead of ${expected[wrong]}`
  throw new Error(`PyTorch sees ${found} in the ${what}s of layer ${layer}`)
}

/** Lets PyTorch negate one token's row, and looks whether Node reads just that. */
async function writeFromTorch(
  torch: PythonProcess,
  cache: ContiguousKvCache,
  sequence: Sequence,
  place: Place,
): Promise<void> {
  const token = 17 + place.layer
  const rows = sequenceRows(cache, sequence, place, 0, length)
  const width = rows.shape[1]! * rows.shape[2]!
  const expected = read(rows).map((value, i) => (Math.floor(i / width) === token ? -value : value))
  await torch.ask('negate', { ...place, sequence: 0, token })
  if (read(rows).some((value, i) => value !== expected[i])) {
    throw new Error(`Node does not see what PyTorch wrote to the ${place.what}s of ${place.layer}`)
  }
}
