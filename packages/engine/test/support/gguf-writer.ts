/** Writes GGUF files for tests. */
import { writeFileSync } from 'node:fs'

/** A value of the metadata: integers become uint32, other numbers float32. */
export type GgufValue = string | number | boolean | readonly string[] | readonly number[]

/** A tensor of float32 values, or of bytes in another storage type. */
export interface GgufTensor {
  readonly name: string
  /** Outermost first. */
  readonly shape: readonly number[]
  readonly data: Float32Array | Uint8Array
  /** Number of the storage type in GGML. Defaults to 0, F32. */
  readonly type?: number
}

const types = { uint32: 4, int32: 5, float32: 6, bool: 7, string: 8, array: 9 }
const alignment = 32

const u32 = (value: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

const u64 = (value: number) => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}

const f32 = (value: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeFloatLE(value)
  return bytes
}

const text = (value: string) => {
  const bytes = Buffer.from(value)
  return Buffer.concat([u64(bytes.length), bytes])
}

function typeOf(value: string | number | boolean): number {
  if (typeof value === 'string') return types.string
  if (typeof value === 'boolean') return types.bool
  return Number.isInteger(value) && value >= 0 ? types.uint32 : types.float32
}

function encode(value: string | number | boolean, type: number): Buffer {
  if (typeof value === 'string') return text(value)
  if (typeof value === 'boolean') return Buffer.of(value ? 1 : 0)
  return type === types.uint32 ? u32(value) : f32(value)
}

function entry(key: string, value: GgufValue): Buffer {
  if (!Array.isArray(value)) {
    const single = value as string | number | boolean
    const type = typeOf(single)
    return Buffer.concat([text(key), u32(type), encode(single, type)])
  }
  const items = value as readonly (string | number)[]
  const integers = items.every(
    (item) => typeof item !== 'number' || (Number.isInteger(item) && item >= 0),
  )
  const type = typeof items[0] === 'string' ? types.string : integers ? types.uint32 : types.float32
  const encoded = items.map((item) => encode(item, type))
  return Buffer.concat([text(key), u32(types.array), u32(type), u64(items.length), ...encoded])
}

/** Writes a file. */
export function writeGguf(
  path: string,
  metadata: Readonly<Record<string, GgufValue>>,
  tensors: readonly GgufTensor[],
): void {
  const entries = Object.entries(metadata)
  const head: Uint8Array[] = [Buffer.from('GGUF'), u32(3), u64(tensors.length), u64(entries.length)]
  head.push(...entries.map(([key, value]) => entry(key, value)))
  const padded = (size: number) => Math.ceil(size / alignment) * alignment
  let offset = 0
  for (const { name, shape, data, type = 0 } of tensors) {
    head.push(text(name), u32(shape.length), ...shape.toReversed().map(u64), u32(type), u64(offset))
    offset += padded(data.byteLength)
  }
  const header = Buffer.concat(head)
  const file = Buffer.alloc(padded(header.length) + offset)
  header.copy(file)
  let at = padded(header.length)
  for (const { data } of tensors) {
    Buffer.from(data.buffer, data.byteOffset, data.byteLength).copy(file, at)
    at += padded(data.byteLength)
  }
  writeFileSync(path, file)
}
