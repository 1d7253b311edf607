import { cacheBytes, FilledCache } from '../../harness/index.ts'
import type { NamedCache } from '../../suite/index.ts'
import type { AttentionBench } from './attention-bench.ts'
import type { AttentionCell } from './attention-cell.ts'
import { layersOf } from './rotation.ts'

/** Memory that is left alone: of drivers, and of what else runs. */
const reserveBytes = { gpu: 3 * 2 ** 30, cpu: 2 ** 30 }

/** Makes and fills a cache of a cell; undefined, with the reason recorded, when that cannot be. */
export async function fillCache(
  bench: AttentionBench,
  { where, shape, sequences, length, rotation }: AttentionCell,
  cache: NamedCache,
): Promise<FilledCache | undefined> {
  const { device, recorder, random } = bench.context
  const name = `${where}: cache ${cache.name}`
  const layers = layersOf(cache, shape, rotation.layers)
  const about = { shape: { ...shape, layers }, cache, sequences, length }
  try {
    const bytes = cacheBytes(device.device, about)
    const free = device.freeBytes() - reserveBytes[device.isGpu ? 'gpu' : 'cpu']
    if (bytes > free) {
      const gib = (value: number) => Number((Math.max(0, value) / 2 ** 30).toPrecision(3))
      recorder.skip(name, `${gib(bytes)} GiB do not fit into ${gib(free)} GiB`)
      return undefined
    }
    const { rows } = bench.noiseOf(shape)
    const filled = new FilledCache(device, about, bench.backends.found.values(), rows, random)
    await device.synchronize()
    return filled
  } catch (error) {
    recorder.skip(name, error)
    return undefined
  }
}
