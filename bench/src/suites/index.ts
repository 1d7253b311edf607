import type { Suite } from '../suite/index.ts'
import { allocate } from './allocate.ts'
import { decode } from './decode.ts'
import { fragmentation } from './fragmentation.ts'
import { launch } from './launch.ts'
import { layout } from './layout.ts'
import { overhead } from './overhead.ts'
import { overlap } from './overlap.ts'
import { peers } from './peers.ts'
import { prefill } from './prefill.ts'
import { prefix } from './prefix.ts'
import { serveOffline } from './serve-offline.ts'
import { serveOnline } from './serve-online.ts'
import { step } from './step.ts'
import { vmm } from './vmm.ts'

/** The suites, in the order in which they are listed. */
export const suites: readonly Suite[] = [
  vmm,
  allocate,
  step,
  layout,
  prefill,
  decode,
  fragmentation,
  prefix,
  overlap,
  overhead,
  launch,
  serveOffline,
  serveOnline,
  peers,
]
