import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { pack } from '../pack.mjs'

const platform = `${process.platform}-${process.arch}`

describe('packed packages, installed alone without a network', () => {
  let folder
  let packed // by the name of the staged folder

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'vattention-pack-'))
    const results = pack(['interface', 'core', 'cpu'], join(folder, 'stage'))
    packed = Object.fromEntries(results.map((result) => [result.name, result]))
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  /** An empty folder with these packages and nothing else. */
  function install(...names) {
    const at = mkdtempSync(join(folder, 'app-'))
    writeFileSync(join(at, 'package.json'), '{ "name": "app", "private": true }')
    const args = ['install', '--ignore-scripts', '--offline', '--no-audit', '--no-fund']
    const tarballs = names.map((name) => packed[name].tarball)
    execFileSync('npm', [...args, '--loglevel=error', ...tarballs], { cwd: at, stdio: 'pipe' })
    return at
  }

  /** Runs a program in `at` that prints JSON. */
  function run(at, type, program) {
    const args = [`--input-type=${type}`, '-e', program]
    const { status, stdout, stderr } = spawnSync(process.execPath, args, {
      cwd: at,
      encoding: 'utf8',
    })
    if (status !== 0) throw new Error(stderr)
    return JSON.parse(stdout)
  }
  /** The same program as ESM and as CommonJS. */
  const both = (at, imports, body) => ({
    esm: run(at, 'module', `import * as p from '${imports}'; ${body}`),
    cjs: run(at, 'commonjs', `const p = require('${imports}'); ${body}`),
  })
  const shape =
    "layers: 2, kvHeads: 2, headDim: 64, dtype: 'bfloat16', maxSequences: 4, maxLength: 4096"

  it('@vattention/core: a cache backs tokens', () => {
    const at = install('interface', 'core', `core-${platform}`)
    const body = `
      const cache = new p.ContiguousKvCache({ ${shape}, limitBytes: 2 ** 26 })
      const { sequence } = cache.allocate()
      const step = cache.step(Uint32Array.of(sequence), Uint32Array.of(100))
      console.log(JSON.stringify({ status: step.status, backed: cache.backedLength(sequence) >= 100 }))
      cache[Symbol.dispose]()`
    const expected = { status: 'ok', backed: true }
    expect(both(at, '@vattention/core', body)).toEqual({ esm: expected, cjs: expected })
  })

  it('@vattention/cpu: validate answers', () => {
    const at = install('interface', 'cpu', `cpu-${platform}`)
    const body = `
      const backend = new p.CpuBackend()
      const shape = { ${shape}, valueHeadDim: 64 }
      const config = (queryHeads) => ({ cache: { kind: 'contiguous', shape }, queryHeads, dtype: 'float32' })
      console.log(JSON.stringify({ good: backend.validate(config(4)), bad: backend.validate(config(3)).length > 0 }))
      backend[Symbol.dispose]()`
    const expected = { good: [], bad: true }
    expect(both(at, '@vattention/cpu', body)).toEqual({ esm: expected, cjs: expected })
  })

  it('a cache and a backend of different packages meet', () => {
    const at = install('interface', 'core', `core-${platform}`, 'cpu', `cpu-${platform}`)
    const output = run(
      at,
      'module',
      `import { ContiguousKvCache, hostTensor, read, write } from '@vattention/core'
       import { CpuBackend } from '@vattention/cpu'
       const cache = new ContiguousKvCache({ ${shape}, limitBytes: 2 ** 26 })
       const plan = new CpuBackend().createPlan(
         { cache, queryHeads: 2, dtype: 'float32' }, { maxSequences: 1, maxTokens: 1, maxLength: 16 })
       const sequences = Uint32Array.of(cache.allocate().sequence), one = Uint32Array.of(1)
       cache.step(sequences, one)
       plan.prepare({ cache, sequences, queryLengths: one, kvLengths: one })
       const [query, key, value, output] = Array.from({ length: 4 }, () => hostTensor('float32', [1, 2, 64]))
       write(value, Float32Array.from({ length: 128 }, (_, i) => i))
       plan.run({ layer: 0, query, key, value, output })
       console.log(JSON.stringify([...read(output)]))`,
    )
    // One visible token: its value, whatever the query.
    expect(output).toEqual(Array.from({ length: 128 }, (_, i) => i))
  })

  it('@vattention/interface needs nothing else', () => {
    const at = install('interface')
    expect(readdirSync(join(at, 'node_modules/@vattention'))).toEqual(['interface'])
    const body = 'console.log(JSON.stringify(typeof p.selectBackend))'
    expect(both(at, '@vattention/interface', body)).toEqual({ esm: 'function', cjs: 'function' })
  })

  it.each(['core', 'cpu'])(
    '@vattention/%s without its addon is one error with every attempt',
    (name) => {
      const at = install('interface', name) // npm skips the optional platform package
      const make =
        name === 'core'
          ? `new p.ContiguousKvCache({ ${shape}, limitBytes: 2 ** 26 })`
          : `(() => { const cache = { kind: 'contiguous', shape: { ${shape}, valueHeadDim: 64 } }
             return new p.CpuBackend().createPlan({ cache, queryHeads: 4, dtype: 'float32' },
               { maxSequences: 1, maxTokens: 1, maxLength: 16 }) })()`
      const body = `
      let error
      try { ${make} } catch (thrown) { error = thrown }
      console.log(JSON.stringify({ code: error?.code, name: error?.name, message: error?.message }))`
      const { esm, cjs } = both(at, `@vattention/${name}`, body)
      expect(cjs).toEqual(esm)
      expect(esm.code).toBe('ERR_VATTENTION_NATIVE_LOAD')
      const own = join(at, 'node_modules/@vattention', name, 'addon.node')
      expect(esm.message).toContain(`${own}: no such file`)
      expect(esm.message).toContain(`@vattention/${name}-${platform}: not installed`)
    },
  )

  it('platform packages say where they belong, and hold the licences', () => {
    const { folder: staged } = packed[`core-${platform}`]
    const manifest = JSON.parse(readFileSync(join(staged, 'package.json'), 'utf8'))
    expect(manifest).toMatchObject({ os: [process.platform], cpu: [process.arch], libc: ['glibc'] })
    for (const file of ['addon.node', 'LICENSE', 'NOTICE']) {
      expect(existsSync(join(staged, file))).toBe(true)
    }
  })

  it('published manifests name no source, script or workspace tool', () => {
    const { folder: staged } = packed.core
    const text = readFileSync(join(staged, 'package.json'), 'utf8')
    expect(text).not.toMatch(/@vattention\/source|scripts|devDependencies|vitest/)
    expect(JSON.parse(text).optionalDependencies).toEqual({
      [`@vattention/core-${platform}`]: JSON.parse(text).version,
    })
  })
})
