import { availableParallelism } from 'node:os'

import { atLeast } from '../../harness/index.ts'
import type { Summary } from '../../result/index.ts'
import { namedShape, type NamedShape, type SuiteContext } from '../../suite/index.ts'
import { batchLabel, type Batch } from '../attention/batch-values.ts'

/** A gigabyte of keys and values in all layers, with the heads of a large and of a small model. */
export const gigabytes: readonly { readonly shape: NamedShape; readonly batch: Batch }[] = [
  { shape: namedShape('llama-3-8b'), batch: { sequences: 4, tokens: 2048 } },
  { shape: namedShape('smollm2-135m'), batch: { sequences: 32, tokens: 1456 } },
]

/** Threads that the bars are for: more of them read memory in another way. */
const requiredThreads = 2

/** Of the bytes a second that the same threads read in sequence. */
const overRead = 0.8

/** Of the speed over blocks of 16 tokens, the whole interval. */
const overPaged = 0.97

/** Judges the default layout in a full run on the CPU, with the threads that the bars are for. */
export function cpuDecodeBars(
  { device, settings, recorder }: SuiteContext,
  threads = availableParallelism(),
): void {
  if (settings.quick || device.isGpu || threads !== requiredThreads) return
  for (const { shape, batch } of gigabytes) {
    const where = `${shape.name}, ${batchLabel(batch)}`
    const speedOver = (over: string) =>
      recorder.cases.find(({ parameters: one }) => {
        const alike = one.shape === shape.name && one.sequences === batch.sequences
        return alike && one.tokens === batch.tokens && one.of === 'cpu split' && one.over === over
      })?.metrics.speedRatio as Summary | undefined
    const read = speedOver('sequential read')
    if (read) {
      const note = `bytes a second, ${threads} threads`
      recorder.bar(atLeast(`${where}: split / sequential read`, read, overRead, { note }))
    }
    const paged = speedOver('cpu paged 16')
    if (paged) {
      const note = `lower end of the 95 % interval; the median is ${paged.median?.toPrecision(3)}`
      recorder.bar(atLeast(`${where}: split / paged 16, at least`, paged.low, overPaged, { note }))
    }
  }
}
