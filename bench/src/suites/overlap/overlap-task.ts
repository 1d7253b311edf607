import { layerTokenBytes, type AttentionPass } from '../../harness/index.ts'
import type { NamedShape } from '../../suite/index.ts'
import { passFlop } from '../prefill/prefill-cell.ts'

/** What attention computes while pages are mapped. */
export interface OverlapTask {
  readonly where: string
  readonly task: 'decode' | 'prefill'
  readonly shape: NamedShape
  readonly sequences: number
  /** New ones of each sequence. */
  readonly query: number
  /** In the cache, of each sequence. */
  readonly tokens: number
}

/** Bytes that a decode reads, or operations of a prefill, in one layer: what it takes its time for. */
export const overlapWork = ({ task, shape }: OverlapTask, pass: AttentionPass): number =>
  task === 'prefill'
    ? passFlop(shape, pass)
    : layerTokenBytes(shape) * pass.kvLengths.reduce((sum, one) => sum + one, 0)
