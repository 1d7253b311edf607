/** Tensors as GGUF stores them, turned into float32. */
import type { StorageType } from '@vattention/engine'

/** Elements of a quantised group. */
const groupElements = 32

const decoders: Readonly<
  Partial<Record<StorageType, (bytes: DataView, out: Float32Array) => void>>
> = {
  F32(bytes, out) {
    for (let i = 0; i < out.length; i++) out[i] = bytes.getFloat32(4 * i, true)
  },
  // A scale, and 32 signed bytes.
  Q8_0(bytes, out) {
    for (let group = 0, at = 0; at < out.length; group++) {
      const start = group * 34
      const scale = float16(bytes.getUint16(start, true))
      for (let i = 0; i < groupElements; i++) out[at++] = scale * bytes.getInt8(start + 2 + i)
    }
  },
  // A scale, a minimum, and 32 numbers of 4 bits: the low halves of 16 bytes, then the high ones.
  Q4_1(bytes, out) {
    for (let group = 0, at = 0; at < out.length; group++, at += groupElements) {
      const start = group * 20
      const scale = float16(bytes.getUint16(start, true))
      const least = float16(bytes.getUint16(start + 2, true))
      for (let i = 0; i < groupElements / 2; i++) {
        const byte = bytes.getUint8(start + 4 + i)
        out[at + i] = scale * (byte & 15) + least
        out[at + groupElements / 2 + i] = scale * (byte >> 4) + least
      }
    }
  },
}

/** Storage types that `decode` knows. */
export const decodableTypes = Object.keys(decoders)

/**
 * Unpacks `elements` numbers.
 * @throws TypeError for a storage type that is not among `decodableTypes`.
 */
export function decode(type: StorageType, bytes: Uint8Array, elements: number): Float32Array {
  const decoder = decoders[type]
  if (!decoder) throw new TypeError(`one of ${decodableTypes.join(', ')} expected, found ${type}`)
  const out = new Float32Array(elements)
  decoder(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), out)
  return out
}

/** The number that IEEE's half precision stores as `bits`. */
function float16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 31
  const fraction = bits & 1023
  if (exponent === 31) return fraction ? NaN : sign * Infinity
  if (exponent === 0) return sign * fraction * 2 ** -24
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}
