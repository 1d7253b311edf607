import { dtypeCode, dtypes, type DType, type Layout } from '@vattention/interface'

import type { NativeManifest } from './addon.ts'

/** Of the manifests that are written and read here; one of another version is refused. */
export const pageManifestVersion = 1

/** Where exported pages lie. A GPU is known by its UUID: another process may number it otherwise. */
export type ManifestDevice =
  | { readonly type: 'cpu' }
  | {
      readonly type: 'cuda'
      /** CUDA's device number in the exporting process. */
      readonly index: number
      /** 32 hexadecimal digits. */
      readonly uuid: string
    }

/** One page at one place. A page that sequences share is listed for each of them. */
export interface ExportedPage {
  /** Index among the exported sequences. */
  readonly sequence: number
  /** Index among the files. */
  readonly file: number
  /** Bytes from the start of the sequence's range. */
  readonly offset: number
  readonly bytes: number
  /** Bytes from the start of the file. */
  readonly fileOffset: number
}

/** Keys or values of one layer: `[sequence, token, kvHead, dim]`. */
export interface ExportedTensor {
  /** Elements from the start of the first sequence's range to `[0, 0, 0, 0]`. */
  readonly offset: number
  readonly shape: readonly number[]
  /** In elements. */
  readonly strides: readonly number[]
}

/**
 * What lies where in exported pages: plain data, to be sent as JSON along with the descriptors.
 *
 * Each sequence has a range of `sequenceBytes`, one after the other; only pages are behind it. Rows
 * from a sequence's length on are not part of the export.
 */
export interface PageManifest {
  readonly version: typeof pageManifestVersion
  readonly device: ManifestDevice
  readonly dtype: DType
  /** Of the exporting cache: for people, since strides say it all. */
  readonly layout: Layout
  /** Whether the files may be mapped for writing. */
  readonly writable: boolean
  /** Address space of one sequence, bytes. */
  readonly sequenceBytes: number
  /** Tokens of each sequence. */
  readonly lengths: readonly number[]
  /** Descriptors that belong to it. */
  readonly files: number
  readonly pages: readonly ExportedPage[]
  readonly layers: readonly { readonly key: ExportedTensor; readonly value: ExportedTensor }[]
}

/** `vattn_device_type` and `vattn_layout` by their numbers in the C ABI. */
const cudaType = 2
const layoutCode = { interleaved: 0, layerGroup: 1, split: 2 } as const

const pageNumbers = 5
const tensorNumbers = 9

/** The manifest that the addon's numbers stand for. */
export function toManifest(native: NativeManifest, files: number): PageManifest {
  const [, type, index, dtype, layout, layerGroup, writable, sequenceBytes] =
    native.head as never as [...number[]]
  const device: ManifestDevice =
    type === cudaType
      ? { type: 'cuda', index: index!, uuid: Buffer.from(native.uuid).toString('hex') }
      : { type: 'cpu' }
  return {
    version: pageManifestVersion,
    device,
    dtype: dtypes[dtype!]!,
    layout: toLayout(layout!, layerGroup!),
    writable: writable === 1,
    sequenceBytes: sequenceBytes!,
    lengths: [...native.lengths],
    files,
    pages: rowsOf(native.pages, pageNumbers).map(([sequence, file, offset, bytes, fileOffset]) => ({
      sequence: sequence!,
      file: file!,
      offset: offset!,
      bytes: bytes!,
      fileOffset: fileOffset!,
    })),
    layers: rowsOf(native.tensors, 2 * tensorNumbers).map((numbers) => ({
      key: toTensor(numbers.slice(0, tensorNumbers)),
      value: toTensor(numbers.slice(tensorNumbers)),
    })),
  }
}

/** The opposite, of a manifest that has been checked. */
export function toNativeManifest(manifest: PageManifest): NativeManifest {
  const { version, device, dtype, layout, writable, sequenceBytes, lengths, pages, layers } =
    manifest
  const onGpu = device.type === 'cuda'
  const group = typeof layout === 'object' ? layout.layerGroup : 0
  const code = layoutCode[typeof layout === 'object' ? 'layerGroup' : layout]
  const head = [version, onGpu ? cudaType : 1, onGpu ? device.index : 0, dtypeCode[dtype], code]
  return {
    head: Float64Array.of(...head, group, writable ? 1 : 0, sequenceBytes),
    uuid: onGpu ? Uint8Array.from(Buffer.from(device.uuid, 'hex')) : new Uint8Array(16),
    lengths: Uint32Array.from(lengths),
    pages: Float64Array.from(
      pages.flatMap(({ sequence, file, offset, bytes, fileOffset }) => [
        sequence,
        file,
        offset,
        bytes,
        fileOffset,
      ]),
    ),
    tensors: Float64Array.from(
      layers.flatMap(({ key, value }) =>
        [key, value].flatMap(({ offset, shape, strides }) => [offset, ...shape, ...strides]),
      ),
    ),
  }
}

function toLayout(code: number, layerGroup: number): Layout {
  if (code === layoutCode.layerGroup) return { layerGroup }
  return code === layoutCode.split ? 'split' : 'interleaved'
}

function toTensor(numbers: readonly number[]): ExportedTensor {
  return { offset: numbers[0]!, shape: numbers.slice(1, 5), strides: numbers.slice(5, 9) }
}

/** Numbers cut into rows of `width`. */
function rowsOf(numbers: Float64Array, width: number): number[][] {
  return Array.from({ length: numbers.length / width }, (_, i) => [
    ...numbers.subarray(i * width, (i + 1) * width),
  ])
}
