// Kernels are linked into several binaries: an addon, its test, a bench. A bundle carries them once: a
// binary that repeats an earlier one travels as pieces, and is put together where it is unpacked
// (runtime/assemble.mjs).
//
//   <file>.pieces   length of the header as 32 bits, the header as JSON, the literal bytes
//
//   header  order    files are put together in this order: they may be made of each other
//           sha256   of the whole
//           sources  files, relative to the app
//           pieces   [source, offset, length]; source -1: of the literal bytes, from the offset on
import { createHash } from 'node:crypto'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'

/** Linkers place what compilers made at multiples of this. */
const alignment = 8
/** Shorter repetitions are left to the compressor. */
const leastCopy = 512
/** Bytes that are looked up: a place is found by them, then compared. */
const keyBytes = 64
/** A binary travels as pieces when they save this much. */
const leastSaving = 2 ** 18

const words = (buffer) =>
  new Uint32Array(buffer.buffer, buffer.byteOffset, Math.floor(buffer.length / 4))

/** A number for the bytes from word `at` on; 0 for bytes that are all alike, which are everywhere. */
function keyAt(data, at) {
  let key = 0x9e3779b9
  let differs = 0
  for (let i = at; i < at + keyBytes / 4; i++) {
    key = Math.imul(key ^ data[i], 0x85ebca6b)
    key ^= key >>> 13
    differs |= data[i] ^ data[at]
  }
  return differs === 0 ? 0 : key >>> 0 || 1
}

/** Reads a file at an address that words can be read from. */
function readAligned(file) {
  const bytes = readFileSync(file)
  const copy = Buffer.from(new ArrayBuffer(Math.ceil(bytes.length / 8) * 8), 0, bytes.length)
  bytes.copy(copy)
  return copy
}

/** Binaries whose parts later ones may repeat. */
export class Pieces {
  /** @type {{ name: string, bytes: Buffer }[]} */
  #sources = []
  /** Where `keyAt` was seen first: source and offset. */
  #places = new Map()

  /** Makes a binary known under its name in the app. */
  #add(name, bytes) {
    const source = this.#sources.push({ name, bytes }) - 1
    const data = words(bytes)
    const last = data.length - keyBytes / 4
    for (let at = 0; at <= last; at += leastCopy / 4) {
      const key = keyAt(data, at)
      if (key !== 0 && !this.#places.has(key)) this.#places.set(key, [source, at * 4])
    }
  }

  /** How `bytes` are made of what is known: literal pieces have source -1 and an offset in `bytes`. */
  #find(bytes) {
    const data = words(bytes)
    const pieces = []
    let literal = 0
    let at = 0
    while (at + leastCopy <= bytes.length) {
      const place = this.#places.get(keyAt(data, at / 4))
      const copy = place && this.#extend(bytes, at, literal, place)
      if (!copy) {
        at += alignment
        continue
      }
      const { start, length, source, offset } = copy
      if (start > literal) pieces.push([-1, literal, start - literal])
      pieces.push([source, offset, length])
      literal = start + length
      at = Math.ceil(literal / alignment) * alignment
    }
    if (literal < bytes.length) pieces.push([-1, literal, bytes.length - literal])
    return pieces
  }

  /** The longest repetition around `at`, not before `from`; undefined when it is short. */
  #extend(bytes, at, from, [source, offset]) {
    const other = this.#sources[source].bytes
    let before = 0
    while (
      at - before > from &&
      offset - before > 0 &&
      bytes[at - before - 1] === other[offset - before - 1]
    ) {
      before++
    }
    let after = 0
    const most = Math.min(bytes.length - at, other.length - offset)
    while (after < most && bytes[at + after] === other[offset + after]) after++
    const length = before + after
    return length < leastCopy
      ? undefined
      : { start: at - before, length, source, offset: offset - before }
  }

  /**
   * Replaces `file` by its pieces where that saves something; afterwards others may repeat it.
   *
   * @param {string} file
   * @param {string} name What it is called in the app: `native/some_test`.
   * @returns {number} bytes that need not travel
   */
  place(file, name) {
    const bytes = readAligned(file)
    const found = this.#find(bytes)
    const saved = found.reduce((sum, [source, , length]) => sum + (source < 0 ? 0 : length), 0)
    const order = this.#sources.length
    this.#add(name, bytes)
    if (saved < leastSaving) return 0
    const literals = []
    let literalBytes = 0
    const pieces = found.map(([source, offset, length]) => {
      if (source >= 0) return [source, offset, length]
      literals.push(bytes.subarray(offset, offset + length))
      literalBytes += length
      return [-1, literalBytes - length, length]
    })
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    const sources = this.#sources.map((each) => each.name)
    const header = Buffer.from(JSON.stringify({ order, sha256, sources, pieces }))
    const length = Buffer.alloc(4)
    length.writeUInt32LE(header.length)
    writeFileSync(`${file}.pieces`, Buffer.concat([length, header, ...literals]))
    rmSync(file)
    return saved
  }
}
