/**
 * Rounding to the element types that JavaScript does not have, nearest even, as kernels do it.
 * Values stay JavaScript numbers: every bfloat16, float16 and float8 is also a float32.
 */
import type { DType } from '@vattention/interface'

const float = new Float32Array(1)
const bits = new Uint32Array(float.buffer)

/** Rounds to the nearest value of a type. */
export type Rounding = (value: number) => number

/** Keeps the upper bits of a float32, rounding the `dropped` lower ones to nearest even. */
function roundBits(value: number, dropped: number): number {
  float[0] = value
  const all = bits[0]!
  if ((all & 0x7f80_0000) === 0x7f80_0000) return float[0] // NaN and infinities
  const half = (1 << (dropped - 1)) - 1
  bits[0] = (all + half + ((all >>> dropped) & 1)) & (-1 << dropped)
  return float[0]
}

/** bfloat16: float32 with 7 bits of fraction. */
export function roundBfloat16(value: number): number {
  return roundBits(value, 16)
}

/**
 * Rounds to multiples of a power of two, keeping the sign of zero: adding `anchor` leaves only the
 * multiples of float32's quantum there.
 */
function roundToQuantum(value: number, anchor: number): number {
  const rounded = Math.fround(Math.fround(Math.abs(value)) + anchor) - anchor
  return value < 0 || Object.is(value, -0) ? -rounded : rounded
}

/** float16: 10 bits of fraction, subnormal below 2^-14, infinite from 65520 on. */
export function roundFloat16(value: number): number {
  if (Math.abs(value) < 2 ** -14) return roundToQuantum(value, 0.75) // quantum 2^-24
  const rounded = roundBits(value, 13)
  return Math.abs(rounded) > 65504 ? Math.sign(rounded) * Infinity : rounded
}

/** float8 e4m3 (the finite-only one): 3 bits of fraction, largest 448, saturating. */
export function roundFloat8(value: number): number {
  if (Math.abs(value) >= 448) return Math.sign(value) * 448
  if (Math.abs(value) < 2 ** -6) return roundToQuantum(value, 24576) // quantum 2^-9
  return roundBits(value, 20)
}

/**
 * A softmax weight in (0, 1] as float8 kernels keep it: times 256, so that small ones keep their bits.
 */
export function roundFloat8Weight(value: number): number {
  return roundFloat8(value * 256) / 256
}

/** The rounding of each dtype. */
export const rounding: Readonly<Record<DType, Rounding>> = {
  float32: Math.fround,
  float16: roundFloat16,
  bfloat16: roundBfloat16,
  float8_e4m3: roundFloat8,
  int32: (value) => value | 0,
}

/** Rounds a whole array in place and returns it. */
export function roundAll(dtype: DType, values: Float32Array): Float32Array {
  if (dtype === 'float32') return values
  const round = rounding[dtype]
  for (let i = 0; i < values.length; i++) values[i] = round(values[i]!)
  return values
}
