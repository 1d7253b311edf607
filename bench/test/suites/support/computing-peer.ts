import { readFileSync } from 'node:fs'

import { attentionRow } from '../../../src/harness/index.ts'
import type { PeerProgram } from '../../../src/suites/peers/peer-program.ts'

type Segments = readonly (readonly [start: number, count: number])[]

interface Loaded {
  readonly sequences: number
  readonly query: number
  readonly kv: number
  readonly queryHeads: number
  readonly kvHeads: number
  readonly headDim: number
  readonly kvFile: string
  readonly queryFile: string
  /** `[layers][key, value][sequences]` */
  readonly layers: readonly (readonly (readonly Segments[])[])[]
}

function floats(path: string): Float32Array {
  const bytes = readFileSync(path)
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length))
}

/** A peer that computes attention from what it was sent, `factor` times too large. */
export function computingPeer(factor = 1): PeerProgram & { readonly asked: string[] } {
  let loaded: Loaded | undefined
  const asked: string[] = []
  function outputRow([sequence, row]: readonly [number, number]): number[] {
    const { query, kv, queryHeads, kvHeads, headDim, layers } = loaded!
    const [noise, queries] = [floats(loaded!.kvFile), floats(loaded!.queryFile)]
    const rows = layers[0]!.map((of) =>
      of[sequence]!.flatMap(([start, count]) => Array.from({ length: count }, (_, i) => start + i)),
    )
    expectLengths(rows, kv)
    const queryRow = (sequence * query + row) % (queries.length / (queryHeads * headDim))
    return Array.from({ length: queryHeads }, (_, head) => {
      const kvHead = Math.floor(head / (queryHeads / kvHeads))
      const of = (kind: number) => (token: number) => {
        const at = (rows[kind]![token]! * kvHeads + kvHead) * headDim
        return noise.subarray(at, at + headDim)
      }
      const at = (queryRow * queryHeads + head) * headDim
      const seen = kv - query + row + 1
      return [...attentionRow(queries.subarray(at, at + headDim), seen, of(0), of(1))]
    })
      .flat()
      .map((value) => factor * value)
  }
  return {
    asked,
    kernels: ['exact'],
    versions: { computing: '1.0' },
    ask(request) {
      const { op } = request as { op: string }
      asked.push(op)
      if (op === 'load') loaded = request as unknown as Loaded
      if (op === 'check') {
        const places = request['rows'] as (readonly [number, number])[]
        return Promise.resolve({ rows: places.map(outputRow) })
      }
      if (op === 'sample') return Promise.resolve({ ms: 2 })
      return Promise.resolve(op === 'prepare' ? { layout: '[token, head, dim]' } : {})
    },
    end: () => Promise.resolve(void asked.push('end')),
    kill: () => void asked.push('kill'),
  }
}

function expectLengths(rows: readonly (readonly number[])[], kv: number): void {
  for (const { length } of rows) if (length !== kv) throw new Error(`${length} rows for ${kv}`)
}
