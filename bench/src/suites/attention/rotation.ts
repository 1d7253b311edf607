import { layerTokenBytes, type BenchDevice } from '../../harness/index.ts'
import type { NamedCache, NamedShape } from '../../suite/index.ts'

/** Which layers launches rotate through, so that nothing is read from the last-level cache. */
export interface Rotation {
  readonly layers: number
  /** Of one sample: with few layers each is read once, behind the flush. */
  readonly mostLaunches: number
  /** Of one sample: all layers, where a sample is to be a whole pass. */
  readonly leastLaunches: number
}

/**
 * As many layers as take twice the last-level cache, at least two and at most all.
 *
 * @param tokens Of all sequences together.
 * @param most Layers. Defaults to the shape's.
 * @param passBytes Of K and V: so many layers at least as take this, and a sample reads all of them.
 * Defaults to `0`: a sample may end anywhere.
 */
export function rotationOf(
  device: BenchDevice,
  shape: NamedShape,
  tokens: number,
  most = shape.layers,
  passBytes = 0,
): Rotation {
  const bytes = layerTokenBytes(shape) * tokens
  const enough = Math.ceil((2 * device.lastLevelBytes) / bytes)
  const layers = Math.min(shape.layers, most, Math.max(2, enough, Math.ceil(passBytes / bytes)))
  return {
    layers,
    mostLaunches: layers >= enough ? 256 : layers,
    leastLaunches: passBytes > 0 ? layers : 1,
  }
}

/**
 * Layers that a cache is made with: all, or a group's, where they make the stride of the rows; else
 * those that launches rotate through.
 */
export function layersOf(cache: NamedCache, shape: NamedShape, rotated: number): number {
  if (cache.kind === 'paged' || cache.layout === 'split') return rotated
  if (cache.layout === 'interleaved') return shape.layers
  const { layerGroup } = cache.layout
  return Math.min(shape.layers, Math.ceil(rotated / layerGroup) * layerGroup)
}
