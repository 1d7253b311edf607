import { hostTensor, read, write } from '@vattention/core'

import { memoryFrom, type Memory } from './memory.ts'

/** Memory of the CPU, by `@vattention/core`: what cases use unless a subject brings its own. */
export const hostMemory: Memory = memoryFrom({ hostTensor, read, write })
