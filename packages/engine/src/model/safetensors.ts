/**
 * The safetensors container: 8 bytes with the header's length, a JSON header with dtype, shape and
 * place of each tensor, then the data. Large models are split over several files that an index
 * names.
 */
import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'

import { engineErrors } from '../errors.ts'

/** One tensor in a safetensors file. */
export interface SafetensorsEntry {
  readonly name: string
  readonly path: string
  /** As written: `F32`, `BF16`, `I64`, ... */
  readonly dtype: string
  /** Outermost first. */
  readonly shape: readonly number[]
  /** Bytes from the file's start. */
  readonly offset: number
  readonly bytes: number
}

// The reference implementation's own limit; a header of 100 MB would describe a million tensors.
const maxHeaderBytes = 100_000_000

/**
 * Headers of all safetensors files of the model in `folder`.
 * @throws `ERR_VATTENTION_MODEL_FILE` when there are none or one is malformed or ends early.
 */
export async function readSafetensorsFolder(folder: string): Promise<SafetensorsEntry[]> {
  const files = (await shardNames(folder)) ?? ['model.safetensors']
  const entries = await Promise.all(files.map((file) => readSafetensors(join(folder, file))))
  return entries.flat()
}

async function shardNames(folder: string): Promise<string[] | undefined> {
  const path = join(folder, 'model.safetensors.index.json')
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch {
    return undefined // not sharded
  }
  try {
    const { weight_map: map } = JSON.parse(text) as { weight_map: Record<string, string> }
    return [...new Set(Object.values(map))]
  } catch (cause) {
    throw engineErrors.modelFile(path, 'is no index of safetensors files', { cause })
  }
}

/**
 * The header of one file.
 * @throws `ERR_VATTENTION_MODEL_FILE` when it is malformed or a tensor lies outside of the file.
 */
export async function readSafetensors(path: string): Promise<SafetensorsEntry[]> {
  const wrong = (problem: string, cause?: unknown) =>
    engineErrors.modelFile(path, problem, { cause })
  let file
  try {
    file = await open(path, 'r')
  } catch (cause) {
    throw wrong('cannot be opened', cause)
  }
  try {
    const { size } = await file.stat()
    const prefix = Buffer.alloc(8)
    const { bytesRead } = await file.read(prefix, 0, 8, 0)
    const headerBytes = bytesRead === 8 ? Number(prefix.readBigUInt64LE()) : 0
    if (headerBytes < 2 || headerBytes > Math.min(maxHeaderBytes, size - 8)) {
      throw wrong('is no safetensors file: its header length does not fit the file')
    }
    const header = Buffer.alloc(headerBytes)
    await file.read(header, 0, headerBytes, 8)
    return parseHeader(path, header.toString('utf8'), 8 + headerBytes, size)
  } finally {
    await file.close()
  }
}

function parseHeader(
  path: string,
  json: string,
  dataOffset: number,
  fileBytes: number,
): SafetensorsEntry[] {
  let header: Record<string, { dtype?: string; shape?: number[]; data_offsets?: number[] }>
  try {
    header = JSON.parse(json) as typeof header
  } catch (cause) {
    throw engineErrors.modelFile(path, 'has a header that is no JSON', { cause })
  }
  const found: SafetensorsEntry[] = []
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') continue
    const { dtype, shape, data_offsets: [start, end] = [] } = entry
    if (typeof dtype !== 'string' || !Array.isArray(shape) || !(start! >= 0) || !(end! >= start!)) {
      throw engineErrors.modelFile(path, `has a malformed entry for tensor ${name}`)
    }
    if (dataOffset + end! > fileBytes) {
      throw engineErrors.modelFile(
        path,
        `ends early: tensor ${name} needs ${dataOffset + end!} bytes, the file has ${fileBytes}`,
      )
    }
    found.push({ name, path, dtype, shape, offset: dataOffset + start!, bytes: end! - start! })
  }
  return found
}
