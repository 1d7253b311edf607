/**
 * The bytes that a token stands for. Byte-level vocabularies spell them with GPT-2's alphabet, one
 * printable character per byte; sentencepiece writes text, ▁ for a space and `<0xNN>` for bytes.
 */
import type { TokenSpelling } from './source.ts'

const encoder = new TextEncoder()

/** GPT-2's alphabet: byte of each of its 256 characters. */
const byteOf = new Map<string, number>()
{
  const printable = (byte: number) =>
    (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174
  let next = 256
  for (let byte = 0; byte < 256; byte++) {
    byteOf.set(String.fromCharCode(printable(byte) ? byte : next++), byte)
  }
}

/** Bytes of a token that is spelled as text, outside of any alphabet. */
export function plainBytes(token: string): Uint8Array {
  return encoder.encode(token)
}

/** Bytes of `token` of a vocabulary. */
export function tokenBytes(token: string, spelling: TokenSpelling): Uint8Array {
  if (spelling === 'sentencePiece') {
    const byte = /^<0x([0-9A-Fa-f]{2})>$/.exec(token)
    return byte ? Uint8Array.of(parseInt(byte[1]!, 16)) : plainBytes(token.replaceAll('▁', ' '))
  }
  const bytes = new Uint8Array(token.length)
  for (let i = 0; i < token.length; i++) {
    const byte = byteOf.get(token[i]!)
    if (byte === undefined) return plainBytes(token) // not of the alphabet: spelled as text
    bytes[i] = byte
  }
  return bytes
}
