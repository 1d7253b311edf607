// Writes what a Brotli-compressed file holds to stdout: node unpack.mjs <file> | tar -xf -
import { createReadStream } from 'node:fs'
import process from 'node:process'
import { pipeline } from 'node:stream/promises'
import { constants, createBrotliDecompress } from 'node:zlib'

await pipeline(
  createReadStream(process.argv[2]),
  createBrotliDecompress({ params: { [constants.BROTLI_DECODER_PARAM_LARGE_WINDOW]: 1 } }),
  process.stdout,
)
