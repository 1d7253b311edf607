import { CudaTestStream, HostTimeline } from '@vattention/core'
import type { Device } from '@vattention/interface'

import { BackendContext } from './backend/context.ts'
import { CacheContext } from './cache/context.ts'
import { deviceMemory } from './device-memory.ts'
import { hostMemory } from './host-memory.ts'
import { streamCapture } from './stream-capture.ts'
import type { BackendSubject, CacheSubject, TestStream } from './subject.ts'

/** What the cases of a backend run in. */
export function backendContext(subject: BackendSubject): BackendContext {
  const { device } = subject.backend
  const { memory = deviceMemory(device), graphs = streamCapture(device) } = subject
  const stream = subject.stream ?? (subject.memory ? undefined : () => testStream(device))
  return new BackendContext({
    ...subject,
    memory,
    ...(graphs && { graphs }),
    ...(stream && { stream }),
  })
}

function testStream(device: Device): TestStream {
  return device.type === 'cpu' ? new HostTimeline() : new CudaTestStream(device)
}

/** What the cases of a cache run in. */
export function cacheContext(subject: CacheSubject): CacheContext {
  if (subject.memory) return new CacheContext({ ...subject, memory: subject.memory })
  return new CacheContext({ stream: () => new HostTimeline(), ...subject, memory: hostMemory })
}
