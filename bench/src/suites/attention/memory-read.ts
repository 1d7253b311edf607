import { copy, type DeviceTensor } from '@vattention/core'
import { slice } from '@vattention/interface'

import { HostReader, type BenchDevice, type TimedSubject } from '../../harness/index.ts'

/** What the machine's memory gives to the simplest reader of as many bytes. */
export interface MemoryRead {
  /** `sequential read` on the CPU; `device copy` on a GPU, whose bytes count as read and written. */
  readonly name: string
  /** Key of its rate. */
  readonly metric: 'readGbPerSecond' | 'copyGbPerSecond'
  /** Of one launch. */
  readonly bytes: number
  readonly timed: TimedSubject
  close(): Promise<void>
}

/** More than this is not read faster. */
const mostBytes = 2 ** 30

/**
 * Reading of the host's memory by threads, each its part of one buffer.
 *
 * @param bytes At most 1 GiB is read.
 * @param threads Defaults to one for each core, as the CPU's backend does.
 */
export async function openHostRead(bytes: number, threads?: number): Promise<MemoryRead> {
  const reader = await HostReader.open(Math.min(bytes, mostBytes), threads)
  return {
    name: 'sequential read',
    metric: 'readGbPerSecond',
    bytes: reader.bytes,
    timed: { subject: { run: () => reader.read() }, layers: 1, launches: 1 },
    close: () => reader.close(),
  }
}

/**
 * A copy within a GPU's memory: half of the bytes are read, half written.
 *
 * @param bytes Of one launch.
 * @param rotation `layers`: different pieces; `launches`: of a sample.
 */
export function openDeviceCopy(
  device: BenchDevice,
  bytes: number,
  { layers, launches }: { readonly layers: number; readonly launches: number },
): MemoryRead {
  const floats = Math.max(1, Math.floor(bytes / 8))
  const made: DeviceTensor[] = []
  try {
    made.push(device.tensor('float32', [layers, floats]))
    made.push(device.tensor('float32', [layers, floats]))
  } catch (error) {
    for (const tensor of made) tensor[Symbol.dispose]()
    throw error
  }
  const [from, to] = made as [DeviceTensor, DeviceTensor]
  const run = (layer: number) => {
    copy(slice(from, layer, layer + 1), slice(to, layer, layer + 1), device.stream)
  }
  return {
    name: 'device copy',
    metric: 'copyGbPerSecond',
    bytes: 8 * floats,
    timed: { subject: { run }, layers, launches },
    close() {
      for (const tensor of made) tensor[Symbol.dispose]()
      return Promise.resolve()
    },
  }
}
