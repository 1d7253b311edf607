import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'

import { objectCacheEnvironment, objectCacheHits, objectCacheLog } from '../cuda/object-cache.mjs'
import { ensureArtifact } from '../fetch.mjs'

// Calls itself nvcc: writes what it was given as an object, the headers as a list, and one line to a
// file for each time that it runs.
const compiler = `#!/bin/sh
echo run >> "$FAKE_RUNS"
while [ $# -gt 0 ]; do
  case "$1" in
    -o) object="$2"; shift ;;
    -MF) list="$2"; shift ;;
    -I) folder="$2"; shift ;;
    -MT|-x) shift ;;
    *.cu) source="$1" ;;
  esac
  shift
done
cat "$source" "$folder/header.h" > "$object"
echo "$object: $source $folder/header.h" > "$list"
`

describe('the object cache', () => {
  let ccache
  let folder
  let runs

  beforeAll(async () => {
    ccache = join(await ensureArtifact('ccache'), 'ccache')
  }, 120_000)

  beforeEach(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'vattention-objects-')))
    runs = join(folder, 'runs')
    writeFileSync(join(folder, 'nvcc'), compiler)
    chmodSync(join(folder, 'nvcc'), 0o755)
    mkdirSync(join(folder, 'clone/native'), { recursive: true })
    mkdirSync(join(folder, 'clone/build'))
    writeFileSync(join(folder, 'clone/native/kernel.cu'), 'kernel\n')
    writeFileSync(join(folder, 'clone/native/header.h'), 'header\n')
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  /** Compiles in a clone; returns the object's text. */
  function compile({ clone = 'clone', flags = [], compilers = 'one' } = {}) {
    const root = join(folder, clone)
    const build = join(root, 'build')
    const source = join(root, 'native/kernel.cu')
    const outside = { ...process.env, VATTENTION_CACHE_DIR: join(folder, 'cache') }
    for (const name of Object.keys(outside)) if (name.startsWith('CCACHE_')) delete outside[name]
    const env = {
      ...outside,
      ...objectCacheEnvironment({ env: outside, root, compilers }),
      ...objectCacheLog(build),
      FAKE_RUNS: runs,
    }
    const args = ['-I', join(root, 'native'), ...flags, '-MD', '-MT', 'kernel.o', '-MF', 'kernel.d']
    args.push('-x', 'cu', '-c', source, '-o', 'kernel.o')
    execFileSync(ccache, [join(folder, 'nvcc'), ...args], { cwd: build, env })
    return readFileSync(join(build, 'kernel.o'), 'utf8')
  }
  const timesRun = () => (existsSync(runs) ? readFileSync(runs, 'utf8').split('\n').length - 1 : 0)

  it('compiles once', () => {
    expect(compile()).toBe('kernel\nheader\n')
    rmSync(join(folder, 'clone/build/kernel.o'))
    expect(compile()).toBe('kernel\nheader\n')
    expect(timesRun()).toBe(1)
    expect(objectCacheHits(join(folder, 'clone/build/object-cache.log'))).toEqual({
      hits: 1,
      calls: 2,
    })
  })

  it('serves another clone', () => {
    compile()
    cpSync(join(folder, 'clone/native'), join(folder, 'elsewhere/deep/native'), { recursive: true })
    mkdirSync(join(folder, 'elsewhere/deep/build'))
    expect(compile({ clone: 'elsewhere/deep' })).toBe('kernel\nheader\n')
    expect(timesRun()).toBe(1)
  })

  it('compiles again when source, header, flags or compilers are others', () => {
    compile()
    writeFileSync(join(folder, 'clone/native/kernel.cu'), 'kernel, changed\n')
    expect(compile()).toBe('kernel, changed\nheader\n')
    writeFileSync(join(folder, 'clone/native/header.h'), 'header, changed\n')
    expect(compile()).toBe('kernel, changed\nheader, changed\n')
    compile({ flags: ['-DFLAG'] })
    compile({ compilers: 'two' })
    expect(timesRun()).toBe(5)
    writeFileSync(join(folder, 'clone/native/kernel.cu'), 'kernel\n')
    writeFileSync(join(folder, 'clone/native/header.h'), 'header\n')
    expect(compile()).toBe('kernel\nheader\n')
    expect(timesRun()).toBe(5)
  })

  it('knows no calls of a build that compiled nothing', () => {
    expect(objectCacheHits(join(folder, 'none.log'))).toEqual({ hits: 0, calls: 0 })
  })
})
