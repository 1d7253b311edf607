import { HostTimeline } from '@vattention/core'

import { BackendContext } from './backend/context.ts'
import { CacheContext } from './cache/context.ts'
import { hostMemory } from './host-memory.ts'
import type { BackendSubject, CacheSubject } from './subject.ts'

/** What the cases of a backend run in. */
export function backendContext(subject: BackendSubject): BackendContext {
  return new BackendContext({ memory: hostMemory, ...subject })
}

/** What the cases of a cache run in. */
export function cacheContext(subject: CacheSubject): CacheContext {
  if (subject.memory) return new CacheContext({ ...subject, memory: subject.memory })
  return new CacheContext({ stream: () => new HostTimeline(), ...subject, memory: hostMemory })
}
