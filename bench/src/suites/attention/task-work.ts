import type { AttentionPass, BenchDevice, Rate } from '../../harness/index.ts'
import type { NamedShape } from '../../suite/index.ts'
import { passBytes, passFlop } from '../prefill/prefill-cell.ts'

/** Decoding reads keys and values, a prefill computes: what each takes its time for. */
export type TaskKind = 'decode' | 'prefill'

/** Bytes that a decode reads, or operations of a prefill, in one layer. */
export const taskWork = (task: TaskKind, shape: NamedShape, pass: AttentionPass): number =>
  task === 'prefill' ? passFlop(shape, pass) : passBytes(shape, pass)

/** What so much work is told as. */
export function taskRate(
  task: TaskKind,
  { isGpu }: Pick<BenchDevice, 'isGpu'>,
  work: number,
): Rate {
  if (task === 'decode') return { metric: 'gbPerSecond', work: work / 1e9 }
  return isGpu ? { metric: 'tflops', work: work / 1e12 } : { metric: 'gflops', work: work / 1e9 }
}
