/** Writes safetensors files for tests. */
import { writeFileSync } from 'node:fs'

/** A tensor of float32 values, or of bytes in another dtype. */
export interface SafetensorsTensor {
  readonly name: string
  readonly shape: readonly number[]
  readonly data: Float32Array | Uint16Array | Uint8Array
  /** Defaults to `F32`. */
  readonly dtype?: string
}

/** Writes a file. */
export function writeSafetensors(path: string, tensors: readonly SafetensorsTensor[]): void {
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } }
  let end = 0
  for (const { name, shape, data, dtype = 'F32' } of tensors) {
    header[name] = { dtype, shape, data_offsets: [end, end + data.byteLength] }
    end += data.byteLength
  }
  const json = Buffer.from(JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  const bytes = tensors.map(({ data }) =>
    Buffer.from(data.buffer, data.byteOffset, data.byteLength),
  )
  writeFileSync(path, Buffer.concat([length, json, ...bytes]))
}
