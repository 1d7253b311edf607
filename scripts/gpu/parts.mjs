// The parts of a bundle: a folder each, as a compressed archive. Compressing takes minutes and the
// parts seldom change, so they are kept by the hash of what is in them.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { copyFile, mkdir, open, readdir, rename, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { constants, createBrotliCompress } from 'node:zlib'

import { BootstrapError } from '../progress.mjs'

/** Runs a program to its end. */
async function execute(program, args, output = 'ignore') {
  const child = spawn(program, args, { stdio: ['ignore', output, 'pipe'] })
  let text = ''
  child.stderr.on('data', (data) => (text += data))
  const status = await new Promise((resolve) => {
    child.on('error', (error) => resolve(String(error)))
    child.on('close', resolve)
  })
  if (status !== 0) throw new BootstrapError(`${program} failed: ${status}\n${text}`)
}

/** Compressors by the suffix of their files. gzip is on every machine, Brotli in Node. */
const compressors = {
  gz: async (from, to) => {
    const output = await open(to, 'w')
    try {
      await execute('gzip', ['-9nc', from], output.fd) // 3 % smaller than Node's own
    } finally {
      await output.close()
    }
  },
  br: async (from, to) => {
    const params = {
      // 10 and 11 take ten times as long for 3 % less.
      [constants.BROTLI_PARAM_QUALITY]: 9,
      [constants.BROTLI_PARAM_LARGE_WINDOW]: 1,
      [constants.BROTLI_PARAM_LGWIN]: 26, // kernels repeat each other over tens of megabytes
      [constants.BROTLI_PARAM_SIZE_HINT]: (await stat(from)).size,
    }
    await pipeline(createReadStream(from), createBrotliCompress({ params }), createWriteStream(to))
  },
}

/** Archives that nobody asked for in so long are deleted. */
const keptMs = 14 * 24 * 3600 * 1000

/** Writes what is in `folder` as one archive, the same bytes for the same files. GNU tar is needed. */
async function archive(folder, file) {
  const args = ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner']
  args.push('--mode=u=rwX,go=rX', '--format=gnu', '-cf', file, '-C', folder, '.')
  await execute('tar', args)
}

async function hashOf(file) {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(file)) hash.update(chunk)
  return hash.digest('hex')
}

/**
 * Archives `folder` into `out/<name>.tar.<gz|br>`.
 *
 * @param {string} cache Folder for what was compressed before; made.
 * @returns {Promise<{ file: string, bytes: number, unpackedBytes: number }>}
 */
export async function makePart(folder, name, suffix, out, cache) {
  await mkdir(cache, { recursive: true })
  const tar = join(cache, `work-${process.pid}-${name}.tar`)
  try {
    await archive(folder, tar)
    const { size: unpackedBytes } = await stat(tar)
    const kept = join(cache, `${await hashOf(tar)}.${suffix}`)
    const isKept = await stat(kept).catch(() => undefined)
    if (!isKept) {
      const work = `${tar}.${suffix}`
      await compressors[suffix](tar, work)
      await rename(work, kept)
    }
    await utimes(kept, new Date(), new Date())
    const file = join(out, `${name}.tar.${suffix}`)
    await copyFile(kept, file)
    return { file, bytes: (await stat(file)).size, unpackedBytes }
  } finally {
    await rm(tar, { force: true })
    await rm(`${tar}.${suffix}`, { force: true })
  }
}

/** Deletes what has not been used for two weeks. */
export async function pruneParts(cache) {
  for (const name of await readdir(cache)) {
    const file = join(cache, name)
    if (Date.now() - (await stat(file)).mtimeMs > keptMs) await rm(file)
  }
}
