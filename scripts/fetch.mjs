// Gets artifacts (scripts/artifacts.mjs) into the cache folder, once per machine.
//
//   <cache>/downloads/<file>   a download whose hash was checked; kept until its artifact is done
//   <cache>/work-<random>/     what is being made; a rename makes it appear finished or not at all
//   <cache>/<artifact folder>  done
//
// An interruption therefore loses only the file that was being downloaded.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream, existsSync, readdirSync, statSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { artifacts } from './artifacts.mjs'
import { cacheFolder } from './cache-folder.mjs'
import { BootstrapError, mebibytes, say, withProgress } from './progress.mjs'

const pythonFolder = fileURLToPath(new URL('python', import.meta.url))

/** The sha256 of a file, as hex. */
export async function sha256(file) {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(file)) hash.update(chunk)
  return hash.digest('hex')
}

/** Runs a program to its end; resolves to its status and everything it printed. */
export function execute(command, args, env) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
    let text = ''
    child.stdout.on('data', (data) => (text += data))
    child.stderr.on('data', (data) => (text += data))
    child.on('error', (error) => resolve({ status: -1, text: String(error) }))
    child.on('close', (status) => resolve({ status, text }))
  })
}

/** Bytes of the biggest file below `folder`: how far pip is with the one it downloads. */
function biggestFile(folder) {
  let biggest = 0
  try {
    for (const name of readdirSync(folder, { recursive: true })) {
      const stats = statSync(join(folder, name), { throwIfNoEntry: false })
      if (stats?.isFile() && stats.size > biggest) biggest = stats.size
    }
  } catch {
    // pip renames files while we look; the next look will do.
  }
  return biggest
}

/** Downloads one file with pip into `folder`. pip checks the hash too, before it unpacks anything. */
async function pipDownload(download, folder, env) {
  const requirements = join(folder, 'requirements.txt')
  await writeFile(requirements, `${download.requirement} --hash=sha256:${download.sha256}\n`)
  const args = ['-m', 'pip', 'download', '--no-deps', '--no-cache-dir', '--retries', '2']
  args.push('--disable-pip-version-check', '--progress-bar', 'off', '--require-hashes')
  const pipEnv = { ...env, TMPDIR: folder, PYTHONDONTWRITEBYTECODE: '1' }
  if (download.sdist) {
    const [name, version] = download.requirement.split('==')
    args.push('--no-binary', name, '--no-build-isolation', '--ignore-requires-python')
    args.push('--use-pep517') // also for those that name no build backend
    pipEnv.PYTHONPATH = join(pythonFolder, 'sdist_backend')
    pipEnv.VATTENTION_SDIST_NAME = name
    pipEnv.VATTENTION_SDIST_VERSION = version
  }
  args.push('-r', requirements, '-d', folder)
  return execute('python3', args, pipEnv)
}

/** Why a download failed, for people. */
function explain(artifact, download, text, cache) {
  const what = `${artifact.title} (Python package ${download.requirement}, ${mebibytes(download.bytes)})`
  const kept = `Finished downloads are kept in ${cache}; the same command goes on from there.`
  if (/DO NOT MATCH THE HASHES|HashMismatch/i.test(text)) {
    return (
      `${what} was downloaded, but its sha256 is not the pinned ${download.sha256}. It was not used.\n` +
      'Check the package index that pip is set up with (pip config list), then try again.'
    )
  }
  if (/connection|name resolution|timed out|unreachable|proxy|retries|versions: none/i.test(text)) {
    return (
      `${what} could not be fetched: the Python package index cannot be reached.\n` +
      'Connect to the network (behind a proxy: set HTTPS_PROXY; with a mirror: pip config set ' +
      `global.index-url ...) and run the same command again. ${kept}`
    )
  }
  if (/No space left/i.test(text)) {
    return `${what} does not fit on the disk of ${cache}. Free some space, or set VATTENTION_CACHE_DIR.`
  }
  return `${what} could not be fetched. pip said:\n${text.trim().split('\n').slice(-8).join('\n')}\n${kept}`
}

/** Makes sure that the checked file of `download` lies in the downloads folder; returns its path. */
async function ensureDownload(artifact, download, cache, env) {
  const file = join(cache, 'downloads', download.file)
  if (existsSync(file)) {
    if ((await sha256(file)) === download.sha256) return file
    await rm(file) // damaged after it was checked
  }
  await mkdir(dirname(file), { recursive: true })
  const work = await mkdtemp(join(cache, 'work-'))
  try {
    say(`Fetching ${download.requirement}: ${mebibytes(download.bytes)}`)
    const { status, text } = await withProgress(
      () => `${mebibytes(biggestFile(work))} of ${mebibytes(download.bytes)}`,
      pipDownload(download, work, env),
    )
    if (status !== 0) throw new BootstrapError(explain(artifact, download, text, cache))
    const fetched = join(work, download.file)
    const found = existsSync(fetched) ? await sha256(fetched) : 'missing'
    if (found !== download.sha256) {
      throw new BootstrapError(
        explain(artifact, download, `DO NOT MATCH THE HASHES: ${found}`, cache),
      )
    }
    await rename(fetched, file)
    return file
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

/**
 * Makes sure that one artifact is in the cache folder.
 *
 * @param {string} name A key of `catalog`.
 * @param {{ env?: NodeJS.ProcessEnv, catalog?: typeof artifacts }} options
 * @returns {Promise<string>} Its folder.
 */
export async function ensureArtifact(name, { env = process.env, catalog = artifacts } = {}) {
  const artifact = catalog[name]
  const cache = cacheFolder(env)
  const folder = join(cache, artifact.folder)
  if (existsSync(folder)) return folder

  await mkdir(cache, { recursive: true })
  const files = []
  for (const download of artifact.downloads) {
    files.push(await ensureDownload(artifact, download, cache, env))
  }

  const work = await mkdtemp(join(cache, 'work-'))
  try {
    for (const [index, { extract }] of artifact.downloads.entries()) {
      const args = [join(pythonFolder, 'extract.py'), files[index], work, ...extract.flat()]
      const { status, text } = await execute('python3', args, env)
      if (status !== 0) {
        throw new BootstrapError(`${artifact.title} could not be unpacked: ${text.trim()}`)
      }
    }
    for (const [link, target] of Object.entries(artifact.links ?? {})) {
      await symlink(target, join(work, link))
    }
    for (const [file, hash] of Object.entries(artifact.provides)) {
      const path = join(work, file)
      if (!existsSync(path)) throw new BootstrapError(`${artifact.title} lacks its file ${file}.`)
      if (hash && (await sha256(path)) !== hash) {
        throw new BootstrapError(
          `${artifact.title}: the sha256 of ${file} is not the pinned ${hash}.`,
        )
      }
    }
    await rename(work, folder).catch((error) => {
      if (!existsSync(folder)) throw error // else another process was first, with the same content
    })
  } finally {
    await rm(work, { recursive: true, force: true })
  }
  for (const file of files) await rm(file, { force: true })
  say(`Ready: ${artifact.title}`)
  return folder
}
