import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { read } from '@vattention/core'

import type { BenchDevice, FilledCache, Noise } from '../../harness/index.ts'

/** Rows of noise one behind the other: the first, and how many. */
type Segment = [start: number, count: number]

/** What peers are told to compute: the data of a filled cache, so that one oracle fits all. */
export interface AttentionData extends Disposable {
  readonly request: Readonly<Record<string, unknown>>
}

/** The rows of noise that are the keys (kind 0) or values (kind 1) of a sequence. */
export function segmentsOf(
  filled: Pick<FilledCache, 'noiseRow' | 'length'>,
  layer: number,
  kind: 0 | 1,
  sequence: number,
): Segment[] {
  const segments: Segment[] = []
  for (let token = 0; token < filled.length; token++) {
    const row = filled.noiseRow(layer, kind, sequence, token)
    const last = segments.at(-1)
    if (last && last[0] + last[1] === row) last[1]++
    else segments.push([row, 1])
  }
  return segments
}

/**
 * Writes the noise to files, `[rows, heads, headDim]` of 32-bit floats.
 *
 * @param layers That launches rotate through.
 * @param query New tokens of each sequence.
 */
export function writeAttentionData(
  device: BenchDevice,
  filled: FilledCache,
  queries: Noise,
  { layers, query }: { readonly layers: number; readonly query: number },
): AttentionData {
  const folder = mkdtempSync(join(tmpdir(), 'vattention-peers-'))
  const write = (name: string, noise: Noise, rows: number) => {
    const values = read(noise.tensor) as Float32Array
    const own = values.subarray(0, (values.length / (2 * noise.rows)) * rows)
    const file = join(folder, name)
    writeFileSync(file, own)
    return file
  }
  const { queryHeads, kvHeads, headDim, dtype } = filled.shape
  const kinds = [0, 1] as const
  const request = {
    ...{ queryHeads, kvHeads, headDim, dtype, query },
    sequences: filled.sequences,
    kv: filled.length,
    // Chunks begin anywhere in the first half, and go on into the second, which repeats it.
    kvFile: write('kv.f32', filled.noise, 2 * filled.noise.rows),
    queryFile: write('query.f32', queries, queries.rows),
    layers: Array.from({ length: layers }, (_, layer) =>
      kinds.map((kind) =>
        Array.from({ length: filled.sequences }, (__, sequence) =>
          segmentsOf(filled, layer, kind, sequence),
        ),
      ),
    ),
    flushBytes: 2 * device.lastLevelBytes,
  }
  return { request, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) }
}
