import { Option } from 'commander'

import { count, listOf } from '../option-values.ts'
import { batchOf } from './batch-values.ts'

/** Of suites that measure decoding beside prompts. */
export const decodeBatchesOption = () =>
  new Option('--batches <list>', 'that decode, sequences x tokens of each: 16x16384').argParser(
    listOf(batchOf),
  )

/** @param example Of a list of lengths. */
export const promptLengthsOption = (example: string) =>
  new Option('--lengths <tokens>', `tokens of the prompts: ${example}`).argParser(listOf(count()))

/** Absent: as many as there are cores. */
export const threadsOption = () =>
  new Option('--threads <count>', 'threads of attention on the CPU, default all').argParser(count())
