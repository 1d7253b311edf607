import { coreStep } from './core-step.ts'
import { coreWaste } from './core-waste.ts'
import { cpuAttention } from './cpu-attention.ts'
import { eventLoop } from './engine-event-loop.ts'
import { greedy } from './engine-greedy.ts'
import { versusLlama } from './engine-vs-llama.ts'
import type { LegacyForm } from './form.ts'
import { pagedStep } from './paged-step.ts'

/** Every form that result files had before the common one. */
export const legacyForms: readonly LegacyForm[] = [
  coreStep,
  coreWaste,
  cpuAttention,
  eventLoop,
  greedy,
  pagedStep,
  versusLlama,
]
