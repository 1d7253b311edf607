/**
 * What makes a manifest one, as far as it can be told without mapping anything: it comes from another
 * process. That pages are aligned, apart from each other and behind every row is checked where they
 * are mapped (native/memory/manifest_check.h).
 */
import { dtypes, type OptionRule, type Reason } from '@vattention/interface'

import {
  pageManifestVersion,
  type ExportedPage,
  type ExportedTensor,
  type PageManifest,
} from './page-manifest.ts'
import { reason } from './reason.ts'

const int32Max = 2 ** 31 - 1

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const isInteger = (value: unknown, least = 0, most = Number.MAX_SAFE_INTEGER): boolean =>
  Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most

const areIntegers = (value: unknown, count: number): boolean =>
  Array.isArray(value) && value.length === count && value.every((each) => isInteger(each))

const isUuid = (value: unknown): boolean =>
  typeof value === 'string' && /^[0-9a-f]{32}$/i.test(value)

const rules: Record<Exclude<keyof PageManifest, 'pages' | 'layers'>, OptionRule> = {
  version: {
    expected: `version ${pageManifestVersion}`,
    check: (value) => value === pageManifestVersion,
  },
  device: {
    expected: "{ type: 'cpu' } or { type: 'cuda', index, uuid }, a UUID of 32 hexadecimal digits",
    check: (value) =>
      isObject(value) &&
      (value.type === 'cpu' ||
        (value.type === 'cuda' && isInteger(value.index, 0, int32Max) && isUuid(value.uuid))),
  },
  dtype: {
    expected: dtypes.filter((dtype) => dtype !== 'int32').join(' or '),
    check: (value) => value !== 'int32' && dtypes.includes(value as never),
  },
  layout: {
    expected: '"interleaved", "split" or { layerGroup: layers }',
    check: (value) =>
      value === 'interleaved' ||
      value === 'split' ||
      (isObject(value) && isInteger(value.layerGroup, 1, int32Max)),
  },
  writable: { expected: 'a boolean', check: (value) => typeof value === 'boolean' },
  sequenceBytes: { expected: 'a positive integer', check: (value) => isInteger(value, 1) },
  lengths: {
    expected: 'an array of at least one length',
    check: (value) =>
      Array.isArray(value) &&
      value.length > 0 &&
      value.every((length) => isInteger(length, 0, 2 ** 32 - 1)),
  },
  files: {
    expected: 'a number of files',
    check: (value) => isInteger(value, 0, int32Max),
  },
}

/** Every reason against importing `files` by `manifest`; of pages and layers the first each. */
export function manifestReasons(
  manifest: PageManifest,
  files: readonly number[],
  writable: boolean,
): Reason[] {
  if (!isObject(manifest)) return [reason('manifest', 'an object', show(manifest))]
  const found: Reason[] = []
  for (const [name, { expected, check }] of Object.entries(rules)) {
    const value = (manifest as Readonly<Record<string, unknown>>)[name]
    if (!check(value)) found.push(reason(name, expected, show(value)))
  }
  if (writable && (manifest as PageManifest).writable === false) {
    found.push(reason('writable', 'an export that may be written to', 'one made to be read'))
  }
  found.push(...fileReasons(files, (manifest as PageManifest).files))
  found.push(...arrayReasons('pages', (manifest as PageManifest).pages, isPage, 0, pageFields))
  found.push(...arrayReasons('layers', (manifest as PageManifest).layers, isLayer, 1, layerFields))
  return found
}

function fileReasons(files: unknown, count: unknown): Reason[] {
  if (!Array.isArray(files) || !files.every((file) => isInteger(file, 0, int32Max))) {
    return [reason('files', 'an array of descriptors', show(files))]
  }
  if (isInteger(count) && files.length !== count) {
    const expected = `${String(count)} descriptors, as many as the manifest has files`
    return [reason('files', expected, String(files.length))]
  }
  return []
}

const pageFields = '{ sequence, file, offset, bytes, fileOffset }, integers of at least 0,'
const layerFields = '{ key, value }, each { offset, shape, strides } of rank 4,'

function arrayReasons(
  name: string,
  value: unknown,
  check: (each: unknown) => boolean,
  least: number,
  fields: string,
): Reason[] {
  if (!Array.isArray(value) || value.length < least || value.length > int32Max) {
    return [reason(name, `an array of at least ${least}`, show(value))]
  }
  const wrong = value.findIndex((each) => !check(each))
  return wrong < 0 ? [] : [reason(name, `${fields} at ${wrong}`, show(value[wrong]))]
}

function isPage(value: unknown): boolean {
  if (!isObject(value)) return false
  const { sequence, file, offset, bytes, fileOffset } = value as unknown as ExportedPage
  const indices = [sequence, file].every((index) => isInteger(index, 0, int32Max))
  return indices && [offset, bytes, fileOffset].every((number) => isInteger(number))
}

function isLayer(value: unknown): boolean {
  return isObject(value) && isTensor(value.key) && isTensor(value.value)
}

function isTensor(value: unknown): boolean {
  if (!isObject(value)) return false
  const { offset, shape, strides } = value as unknown as ExportedTensor
  return isInteger(offset) && areIntegers(shape, 4) && areIntegers(strides, 4)
}

/** Short: what is wrong may be long. */
function show(value: unknown): string {
  const text =
    JSON.stringify(value, (_, part: unknown) =>
      typeof part === 'bigint' ? `${String(part)}n` : part,
    ) ?? String(value)
  return text.length > 80 ? `${text.slice(0, 77)}...` : text
}
