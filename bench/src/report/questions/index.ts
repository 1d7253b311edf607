import type { Question } from '../question.ts'
import { allocationByLength } from './allocate.ts'
import { decodeBandwidth, decodeRatios } from './decode.ts'
import { largestBatch, memoryOverTime, waste } from './fragmentation.ts'
import { launches } from './launch.ts'
import { layouts, pageClasses } from './layout.ts'
import { otherQuestion } from './others.ts'
import { overhead } from './overhead.ts'
import { overlap } from './overlap.ts'
import { engine, peers } from './peers.ts'
import { planRun } from './plan-run.ts'
import { prefillChunks, prefillPower, prefillRatios, prefillSpeed } from './prefill.ts'
import { prefixAdmission, prefixHits } from './prefix.ts'
import { roofline } from './roofline.ts'
import { goodput, servedEventLoop, serveOffline, serveOnline } from './serve.ts'
import { cacheCalls, iterations, stepLatency } from './step.ts'
import { driverCalls } from './vmm.ts'

const asked: readonly Question[] = [
  prefillSpeed,
  prefillRatios,
  prefillChunks,
  prefillPower,
  decodeBandwidth,
  decodeRatios,
  roofline,
  layouts,
  pageClasses,
  stepLatency,
  iterations,
  cacheCalls,
  allocationByLength,
  driverCalls,
  overlap,
  overhead,
  planRun,
  launches,
  memoryOverTime,
  largestBatch,
  waste,
  prefixHits,
  prefixAdmission,
  serveOffline,
  serveOnline,
  goodput,
  servedEventLoop,
  peers,
  engine,
]

/** What a report asks, in the order that a reader meets it. */
export const questions: readonly Question[] = [...asked, otherQuestion(asked)]
