import { dtypeBytes, type KvCacheShape } from '@vattention/interface'

/** K and V of one token in all layers, in bytes: `layers * kvHeads * (headDim + valueHeadDim) * element`. */
export function bytesPerToken(shape: KvCacheShape): number {
  const { layers, kvHeads, headDim, valueHeadDim, dtype } = shape
  return layers * kvHeads * (headDim + valueHeadDim) * dtypeBytes[dtype]
}

/**
 * Bytes of a sequence under static reservation: memory for as many tokens as it may ever reach, taken
 * when it starts. What caches did before they were paged or mapped on demand; computed, not run.
 */
export function staticBytesPerSequence(shape: KvCacheShape): number {
  return bytesPerToken(shape) * shape.maxLength
}
