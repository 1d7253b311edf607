import type { Question } from '../question.ts'
import { decodeBandwidth, decodeRatios, mappedPages } from './decode.ts'
import { cpuAttention, cpuPrefill, engine, eventLoop, overhead } from './host.ts'
import { allocation, overlap, pagedCalls, stepLatency, waste } from './memory.ts'
import { otherQuestion } from './others.ts'
import { peers, prefillPower, prefillRatios, prefillSpeed } from './prefill.ts'
import { roofline } from './roofline.ts'

const asked: readonly Question[] = [
  prefillSpeed,
  prefillRatios,
  prefillPower,
  decodeBandwidth,
  decodeRatios,
  roofline,
  mappedPages,
  stepLatency,
  allocation,
  overlap,
  overhead,
  peers,
  cpuAttention,
  cpuPrefill,
  engine,
  eventLoop,
  pagedCalls,
  waste,
]

/** What a report asks, in the order that a reader meets it. */
export const questions: readonly Question[] = [...asked, otherQuestion(asked)]
