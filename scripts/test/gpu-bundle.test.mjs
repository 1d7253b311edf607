// The GPU bundle: its size, its script on a machine without a GPU, and what is staged from this tree.
import { spawn, spawnSync } from 'node:child_process'
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { root } from '../bootstrap.mjs'
import { checkLoads, isElf, requiredGlibc } from '../gpu/binaries.mjs'
import { seal } from '../gpu/bundle.mjs'
import { makePart } from '../gpu/parts.mjs'
import { Pieces } from '../gpu/pieces.mjs'
import { checkSize } from '../gpu/size.mjs'
import { stageTree } from '../gpu/stage.mjs'
import { staleAddon } from '../gpu/stale.mjs'

let folder
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'vattention-bundle-test-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

/** Writes a file, making its folder. */
function place(path, text, mode) {
  mkdirSync(join(path, '..'), { recursive: true })
  writeFileSync(path, text, { mode })
}

/** An environment with nothing in it. */
const bare = () => ({ HOME: join(folder, 'no-home'), PATH: '/usr/bin:/bin' })

describe('the size of a bundle', () => {
  it('is checked, and every part is named when it is too much', () => {
    const bundle = join(folder, 'large')
    place(join(bundle, 'parts/node.tar.gz'), Buffer.alloc(3 * 2 ** 20))
    place(join(bundle, 'parts/core.tar.br'), Buffer.alloc(2 ** 20))
    place(join(bundle, 'run.sh'), 'x')
    expect(checkSize(bundle, 2 ** 22 + 1)).toBe(2 ** 22 + 1)
    expect(() => checkSize(bundle, 2 ** 22)).toThrow(
      /4\.0 MiB, and 4\.0 MiB is the limit:\n +3\.0 MiB {2}parts\/node\.tar\.gz\n +1\.0 MiB {2}parts\/core\.tar\.br\n/,
    )
  })
})

describe('an addon that is older than its sources', () => {
  const tree = () => join(folder, 'stale')
  const at = (path, seconds) => {
    place(join(tree(), path), '')
    utimesSync(join(tree(), path), seconds, seconds)
  }

  it('is told with the source that was changed last', () => {
    at('packages/flashinfer/addon.node', 100)
    at('native/attention/flashinfer/plan.cc', 90)
    at('native/attention/flash_attention_2/plan.cc', 200)
    at('native/attention/cuda/README.md', 200)
    expect(staleAddon(tree(), 'flashinfer')).toBeUndefined()
    at('native/attention/flashinfer/launch.h', 101)
    at('native/attention/cuda/staging.cc', 102)
    expect(staleAddon(tree(), 'flashinfer')).toEqual({
      addon: 'packages/flashinfer/addon.node',
      source: 'native/attention/cuda/staging.cc',
    })
  })

  it('is not one that is missing, nor one for other processors', () => {
    at('native/attention/cpu/plan.cc', 200)
    at('packages/cpu/addon.node', 100)
    expect(staleAddon(tree(), 'cpu')).toBeUndefined()
    expect(staleAddon(tree(), 'paged-attention')).toBeUndefined()
  })
})

it('addons that do not load are refused before they travel', () => {
  const addon = join(folder, 'packages/torn/addon.node')
  place(addon, 'no addon at all')
  expect(() => checkLoads(addon)).toThrow(/^torn\/addon\.node does not load: [^]*--without torn$/)
  checkLoads(join(root, 'packages/core/addon.node'))
})

describe('binaries that repeat each other', () => {
  /** Bytes that repeat nothing. */
  const noise = (words, seed) => {
    const data = new Uint32Array(words)
    for (let i = 0; i < words; i++) data[i] = Math.imul(i + seed, 0x9e3779b1) ^ (i >>> 3)
    return Buffer.from(data.buffer)
  }
  const assemble = (app) =>
    spawnSync(process.execPath, [join(root, 'scripts/gpu/runtime/assemble.mjs'), app], {
      encoding: 'utf8',
    })

  it('travel once, and come out as they were', () => {
    const app = join(folder, 'pieces')
    const [kernels, more] = [noise(200_000, 1), noise(150_000, 7)]
    const files = {
      'packages/a/addon.node': Buffer.concat([noise(1000, 2), kernels]),
      'native/test': Buffer.concat([noise(5002, 3), kernels, noise(333, 4), Buffer.from('end')]),
      'native/bench': Buffer.concat([more, kernels.subarray(0, 400_000)]),
      // Of one that is made of pieces itself.
      'native/last': Buffer.concat([Buffer.alloc(4096), more, noise(5002, 3)]),
    }
    const pieces = new Pieces()
    const saved = Object.entries(files).map(([name, bytes]) => {
      place(join(app, name), bytes)
      return pieces.place(join(app, name), name)
    })
    expect(saved[0]).toBe(0)
    expect(saved[1]).toBeGreaterThanOrEqual(800_000)
    expect(saved[2]).toBe(400_000)
    expect(saved[3]).toBeGreaterThanOrEqual(600_000)
    expect(readdirSync(join(app, 'native'))).toEqual(['bench.pieces', 'last.pieces', 'test.pieces'])
    // As packages find each other.
    mkdirSync(join(app, 'node_modules'))
    symlinkSync('../native', join(app, 'node_modules/native'))
    expect(assemble(app)).toMatchObject({ status: 0, stderr: '' })
    expect(readdirSync(join(app, 'native'))).toEqual(['bench', 'last', 'test'])
    for (const [name, bytes] of Object.entries(files)) {
      expect(readFileSync(join(app, name)).equals(bytes), name).toBe(true)
    }
    expect(statSync(join(app, 'native/test')).mode & 0o111).toBe(0o111)
  })

  it('are refused when what they repeat has changed', () => {
    const app = join(folder, 'changed')
    const pieces = new Pieces()
    for (const name of ['one', 'two']) {
      place(join(app, name), noise(200_000, 1))
      pieces.place(join(app, name), name)
    }
    place(join(app, 'one'), noise(200_000, 2))
    const { status, stderr } = assemble(app)
    expect(status).toBe(1)
    expect(stderr).toContain('two.pieces: its pieces do not fit')
  })
})

describe('run.sh', () => {
  let bundle
  beforeAll(async () => {
    bundle = join(folder, 'bundle')
    mkdirSync(join(bundle, 'parts'), { recursive: true })
    // Node where it is: compressing it takes half a minute.
    const node = `#!/bin/sh\nexec '${process.execPath}' "$@"\n`
    place(join(folder, 'node/node'), node, 0o755)
    const runtime = join(folder, 'javascript/app/runtime')
    place(
      join(runtime, 'test.mjs'),
      'console.log("tests", ...process.argv.slice(2)); process.exit(7)',
    )
    place(join(runtime, 'bench.mjs'), 'console.log("commit", process.env.VATTENTION_COMMIT)')
    place(join(folder, 'native/app/native/gpu-tests.txt'), 'some_test\n')
    place(join(folder, 'native/app/native/some_test'), '#!/bin/sh\necho native "$@"\n', 0o755)
    const parts = []
    for (const [name, suffix] of Object.entries({ node: 'gz', javascript: 'br', native: 'br' })) {
      const out = join(bundle, 'parts')
      const part = await makePart(join(folder, name), name, suffix, out, join(folder, 'cache'))
      parts.push({ name, about: `about ${name}`, ...part })
    }
    await seal(root, bundle, parts, { glibc: '2.17', commit: 'abc1234' })
  })

  /** A copy of the bundle in a place of its own. */
  function copy(name) {
    const to = join(folder, name)
    cpSync(bundle, to, { recursive: true })
    return to
  }
  function run(at, args, env = {}) {
    const options = { encoding: 'utf8', cwd: '/', env: { ...bare(), ...env } }
    return spawnSync('bash', [join(at, 'run.sh'), ...args], options)
  }
  const unpacked = (at) => readdirSync(at).filter((name) => name.startsWith('vattention-'))

  it('unpacks once and runs what is asked for, with its status', () => {
    const at = copy('plain')
    const first = run(at, ['test', 'a filter', '--list'])
    expect(first).toMatchObject({ status: 7, stdout: 'tests a filter --list\n' })
    expect(first.stderr).toMatch(/^Unpacking into .*vattention-[0-9a-f]{12} \(once\)\n$/)
    const again = run(at, ['native', 'some_test', 'x'])
    expect(again).toMatchObject({ status: 0, stdout: 'native x\n', stderr: '' })
    expect(run(at, ['native']).stdout).toBe('some_test\n')
    expect(run(at, ['bench']).stdout).toBe('commit abc1234\n')
    expect(run(at, ['node', '-p', '6 * 7']).stdout).toBe('42\n')
    expect(run(at, ['unpack']).stdout.trim()).toBe(join(at, ...unpacked(at)))
    expect(run(at, ['frobnicate'])).toMatchObject({ status: 2, stdout: '' })
    expect(run(at, []).stdout).toContain('Usage: bash run.sh <command>')
    expect(readFileSync(join(at, 'README.txt'), 'utf8')).toMatch(
      /abc1234[^]*javascript: about javascript/,
    )
    expect(readFileSync(join(at, 'README.txt'), 'utf8')).not.toMatch(/@\w+@/)
  })

  it('unpacks elsewhere when told to', () => {
    const at = copy('elsewhere')
    const there = join(folder, 'unpacked here')
    mkdirSync(there)
    expect(run(at, ['test'], { VATTENTION_BUNDLE_DIR: there }).status).toBe(7)
    expect(unpacked(at)).toEqual([])
    expect(unpacked(there)).toHaveLength(1)
    const nowhere = run(at, ['test'], { VATTENTION_BUNDLE_DIR: '/proc' })
    expect(nowhere.status).toBe(1)
    expect(nowhere.stderr).toContain('VATTENTION_BUNDLE_DIR=/path')
  })

  it('lets several processes unpack at once', async () => {
    const at = copy('crowd')
    const statuses = await Promise.all(
      Array.from({ length: 4 }, () => {
        const child = spawn('bash', [join(at, 'run.sh'), 'test'], { env: bare(), stdio: 'ignore' })
        return new Promise((resolve) => child.on('close', resolve))
      }),
    )
    expect(statuses).toEqual([7, 7, 7, 7])
    expect(unpacked(at)).toHaveLength(1)
  })

  it('refuses a damaged part, and leaves nothing behind', () => {
    const at = copy('damaged')
    appendFileSync(join(at, 'parts/native.tar.br'), 'x')
    const { status, stderr } = run(at, ['test'])
    expect(status).toBe(1)
    expect(stderr).toMatch(
      /parts\/native\.tar\.br: FAILED[^]*damaged or missing: copy the folder again/,
    )
    expect(unpacked(at)).toEqual([])
  })

  it.each([
    ['bundle_glibc', '9.99', /glibc 9\.99 or newer required, found \d/],
    ['bundle_system', 'Plan9-pdp11', /made for Plan9-pdp11, this machine is Linux-/],
  ])('says what a machine lacks: %s', (key, value, message) => {
    const at = copy(key)
    appendFileSync(join(at, 'bundle.conf'), `${key}='${value}'\n`)
    const { status, stderr } = run(at, ['inspect'])
    expect(status).toBe(1)
    expect(stderr).toMatch(message)
    expect(unpacked(at)).toEqual([])
  })
})

describe('what is staged from this tree', () => {
  let app
  beforeAll(async () => {
    app = join(folder, 'app')
    await stageTree(root, app)
  })
  const node = (args) =>
    spawnSync(process.execPath, args, { encoding: 'utf8', cwd: '/', env: bare() })

  it('inspects the machine, in an environment without anything', () => {
    const { status, stdout } = node([
      join(app, 'packages/vattention/dist/bin.js'),
      'inspect',
      '--json',
    ])
    expect(status).toBe(0)
    const cuda = JSON.parse(stdout).drivers.find(({ name }) => name === 'cuda')
    // On this machine there is a GPU, or a reason why there is none.
    expect(cuda.available || cuda.reason.length > 10).toBe(true)
  })

  it('inspects without a package that was left out', () => {
    const addon = join(app, 'packages/engine/addon.node')
    renameSync(addon, `${addon}.away`)
    const { status, stdout } = node([join(app, 'packages/vattention/dist/bin.js'), 'inspect'])
    renameSync(`${addon}.away`, addon)
    expect(status).toBe(0)
    expect(stdout).toMatch(
      /matrices +not available: @vattention\/engine has no usable native addon/,
    )
  })

  it('lists every case once', () => {
    const { status, stdout } = node([join(app, 'runtime/test.mjs'), '--list'])
    expect(status).toBe(0)
    const names = stdout.trim().split('\n')
    expect(new Set(names).size).toBe(names.length)
    const suites = readdirSync(join(root, 'packages')).filter((name) =>
      existsSync(join(root, 'packages', name, 'test/gpu/index.ts')),
    )
    expect(readdirSync(join(app, 'suites')).sort()).toEqual(suites)
  })

  it('has the suites', () => {
    const { status, stdout } = node([join(app, 'runtime/bench.mjs')])
    expect(status).toBe(0)
    for (const name of ['prefill', 'serve-online', 'report']) {
      expect(stdout).toContain(name)
    }
  })

  it('needs no newer C++ library than a machine has, and no recent glibc', () => {
    const addons = readdirSync(join(app, 'packages'), { recursive: true })
      .filter((file) => file.endsWith('.node'))
      .map((file) => join(app, 'packages', file))
    expect(addons.filter(isElf).map((file) => basename(file))).toContain('addon.node')
    for (const file of addons) {
      const { stdout } = spawnSync('readelf', ['-d', file], { encoding: 'utf8' })
      expect(stdout, file).not.toContain('libstdc++')
    }
    const [major, minor] = requiredGlibc(addons).split('.').map(Number)
    expect(major).toBe(2)
    expect(minor).toBeLessThanOrEqual(34) // of 2021
  })
})
