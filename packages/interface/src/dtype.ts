/** Element types, by the names used everywhere in options and messages. */
export type DType = 'float32' | 'float16' | 'bfloat16' | 'float8_e4m3' | 'int32'

/** Bytes of one element. */
export const dtypeBytes: Readonly<Record<DType, number>> = {
  float32: 4,
  float16: 2,
  bfloat16: 2,
  float8_e4m3: 1,
  int32: 4,
}

/** The numbers of `vattn_dtype` in the C ABI. */
export const dtypeCode: Readonly<Record<DType, number>> = {
  float32: 0,
  float16: 1,
  bfloat16: 2,
  float8_e4m3: 3,
  int32: 4,
}

/** All dtypes, in the order of their C codes. */
export const dtypes: readonly DType[] = ['float32', 'float16', 'bfloat16', 'float8_e4m3', 'int32']
