import { execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { artifacts } from '../artifacts.mjs'
import { ensureArtifact, sha256 } from '../fetch.mjs'
import { BootstrapError } from '../progress.mjs'

// Writes a wheel: usage NAME VERSION FILE [MEMBER CONTENT]...
const wheelWriter = `
import sys, zipfile
name, version, file = sys.argv[1:4]
info = "%s-%s.dist-info" % (name, version)
with zipfile.ZipFile(file, "w") as wheel:
    wheel.writestr(info + "/METADATA", "Metadata-Version: 2.1\\nName: %s\\nVersion: %s\\n" % (name, version))
    wheel.writestr(info + "/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    wheel.writestr(info + "/RECORD", "")
    for i in range(4, len(sys.argv), 2):
        member = zipfile.ZipInfo(sys.argv[i])
        member.external_attr = 0o755 << 16
        wheel.writestr(member, sys.argv[i + 1])
`

// Writes a source distribution that cannot be built here: usage NAME VERSION FILE BACKEND, where the
// last may be empty for one that names no build backend.
const sdistWriter = `
import io, sys, tarfile
name, version, file, backend = sys.argv[1:5]
root = "%s-%s/" % (name, version)
with tarfile.open(file, "w:gz") as tar:
    for member, text in (
        ("PKG-INFO", "Metadata-Version: 2.1\\nName: %s\\nVersion: %s\\n" % (name, version)),
        ("setup.py", "import not_installed_anywhere\\n"),
        ("pyproject.toml", '[build-system]\\nrequires = ["not-installed-anywhere"]\\nbuild-backend = "%s"\\n' % backend),
        ("inner/wanted.h", "#pragma once\\n"),
        ("inner/deep/er.h", "#pragma once // deeper\\n"),
        ("unwanted.c", "int unwanted;\\n"),
    ):
        if member == "pyproject.toml" and not backend:
            continue
        entry = tarfile.TarInfo(root + member)
        entry.size = len(text)
        tar.addfile(entry, io.BytesIO(text.encode()))
`

describe('fetching artifacts', () => {
  let folder
  let index // where pip finds packages instead of a network
  let cache
  let env

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'vattention-fetch-'))
    index = join(folder, 'index')
    cache = join(folder, 'cache')
    mkdirSync(index)
    env = {
      ...process.env,
      VATTENTION_CACHE_DIR: cache,
      PIP_NO_INDEX: '1',
      PIP_FIND_LINKS: index,
      PIP_CONFIG_FILE: '/dev/null',
    }
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  const python = (script, ...args) => execFileSync('python3', ['-c', script, ...args])

  async function wheel(name, ...members) {
    const file = `${name}-1.0-py3-none-any.whl`
    python(wheelWriter, name, '1.0', join(index, file), ...members)
    return {
      requirement: `${name}==1.0`,
      file,
      bytes: statSync(join(index, file)).size,
      sha256: await sha256(join(index, file)),
      extract: [[`${name}/`, '']],
    }
  }
  async function twoWheels() {
    const downloads = [
      await wheel('first', 'first/lib/one.txt', 'one'),
      await wheel('second', 'second/two.txt', 'two'),
    ]
    const provides = { 'lib/one.txt': null, 'two.txt': null }
    return { both: { title: 'Both', folder: 'both-1.0', downloads, provides } }
  }
  const failure = async (promise) => {
    const error = await promise.then(
      () => undefined,
      (reason) => reason,
    )
    expect(error).toBeInstanceOf(BootstrapError)
    return error.message
  }

  it('merges what several packages hold into one folder and keeps nothing else', async () => {
    const at = await ensureArtifact('both', { env, catalog: await twoWheels() })
    expect(at).toBe(join(cache, 'both-1.0'))
    expect(readFileSync(join(at, 'lib/one.txt'), 'utf8')).toBe('one')
    expect(readFileSync(join(at, 'two.txt'), 'utf8')).toBe('two')
    expect(readdirSync(cache).sort()).toEqual(['both-1.0', 'downloads'])
    expect(readdirSync(join(cache, 'downloads'))).toEqual([])
  })

  it('does nothing when the artifact is there', async () => {
    const catalog = await twoWheels()
    mkdirSync(join(cache, 'both-1.0'), { recursive: true })
    await ensureArtifact('both', { env: { ...env, PATH: '' }, catalog })
    expect(readdirSync(cache)).toEqual(['both-1.0'])
  })

  it('refuses a package whose hash is not the pinned one, and leaves nothing behind', async () => {
    const catalog = await twoWheels()
    catalog.both.downloads[0].sha256 = '0'.repeat(64)
    const message = await failure(ensureArtifact('both', { env, catalog }))
    expect(message).toContain(`its sha256 is not the pinned ${'0'.repeat(64)}. It was not used.`)
    expect(readdirSync(cache)).toEqual(['downloads'])
    expect(readdirSync(join(cache, 'downloads'))).toEqual([])
  })

  it('refuses a file inside whose hash is not the pinned one', async () => {
    const catalog = await twoWheels()
    catalog.both.provides['two.txt'] = 'f'.repeat(64)
    const message = await failure(ensureArtifact('both', { env, catalog }))
    expect(message).toContain('the sha256 of two.txt is not the pinned')
    expect(existsSync(join(cache, 'both-1.0'))).toBe(false)
  })

  it('goes on after an interruption without fetching finished files again', async () => {
    const catalog = await twoWheels()
    const [first, second] = catalog.both.downloads
    rmSync(join(index, second.file))
    const message = await failure(ensureArtifact('both', { env, catalog }))
    expect(message).toContain('Both (Python package second==1.0')
    expect(message).toContain('the Python package index cannot be reached')
    expect(message).toContain('Finished downloads are kept in')
    expect(readdirSync(join(cache, 'downloads'))).toEqual([first.file])

    await wheel('second', 'second/two.txt', 'two')
    second.sha256 = await sha256(join(index, second.file))
    rmSync(join(index, first.file)) // only the kept file has it now
    const at = await ensureArtifact('both', { env, catalog })
    expect(readdirSync(at).sort()).toEqual(['lib', 'two.txt'])
  })

  it('fetches a kept download again when it was damaged', async () => {
    const catalog = await twoWheels()
    mkdirSync(join(cache, 'downloads'), { recursive: true })
    writeFileSync(join(cache, 'downloads', catalog.both.downloads[0].file), 'damaged')
    const at = await ensureArtifact('both', { env, catalog })
    expect(readFileSync(join(at, 'lib/one.txt'), 'utf8')).toBe('one')
  })

  it('keeps the executable bit', async () => {
    const catalog = await twoWheels()
    const at = await ensureArtifact('both', { env, catalog })
    expect(statSync(join(at, 'two.txt')).mode & 0o777).toBe(0o755)
  })

  it('never writes outside the artifact', async () => {
    const catalog = await twoWheels()
    const evil = await wheel('evil', 'evil/../../escaped.txt', 'x')
    catalog.both.downloads = [evil]
    const message = await failure(ensureArtifact('both', { env, catalog }))
    expect(message).toMatch(/leaves the target folder/)
    expect(existsSync(join(cache, 'escaped.txt'))).toBe(false)
  })

  it('makes the links that an artifact names', async () => {
    const catalog = await twoWheels()
    catalog.both.links = { lib64: 'lib', 'lib/alias.txt': 'one.txt' }
    const at = await ensureArtifact('both', { env, catalog })
    expect(readlinkSync(join(at, 'lib64'))).toBe('lib')
    expect(readFileSync(join(at, 'lib64/alias.txt'), 'utf8')).toBe('one')
  })

  it.each(['mesonpy', 'setuptools.build_meta', ''])(
    'takes a folder out of a source distribution without building it (backend "%s")',
    async (backend) => {
      const file = 'source_only-1.0.tar.gz'
      python(sdistWriter, 'source-only', '1.0', join(index, file), backend)
      const catalog = {
        source: {
          title: 'Sources',
          folder: 'source-1.0',
          downloads: [
            {
              requirement: 'source-only==1.0',
              sdist: true,
              file,
              bytes: statSync(join(index, file)).size,
              sha256: await sha256(join(index, file)),
              extract: [['source-only-1.0/inner/', '']],
            },
          ],
          provides: { 'wanted.h': null, 'deep/er.h': null },
        },
      }
      const at = await ensureArtifact('source', { env, catalog })
      expect(readdirSync(at).sort()).toEqual(['deep', 'wanted.h'])
    },
  )
})

describe('the catalog of artifacts', () => {
  it.each(Object.entries(artifacts))(
    '%s pins a version and a hash for every file',
    (_, artifact) => {
      expect(artifact.downloads.length).toBeGreaterThan(0)
      for (const { requirement, sha256: hash, bytes, extract } of artifact.downloads) {
        expect(requirement).toMatch(/^[a-z0-9-]+==[0-9.]+(\.post\d+)?$/)
        expect(hash).toMatch(/^[0-9a-f]{64}$/)
        expect(bytes).toBeGreaterThan(0)
        expect(extract.length).toBeGreaterThan(0)
      }
    },
  )
})
