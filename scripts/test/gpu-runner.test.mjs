// What runs the GPU tests, with suites of its own and a device that is only counted.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { runtimeFolder } from '../gpu/stage.mjs'

/** Stands for @vattention/core: what the runner asks it. */
const core = `
  export let usedBytes = 2 ** 29
  export const use = (bytes) => { usedBytes += bytes }
  export const deviceMemory = () => {
    if (usedBytes === undefined) throw new Error('the device is gone')
    return { totalBytes: 2 ** 37, freeBytes: 2 ** 37 - usedBytes }
  }
  export const destroy = () => { usedBytes = undefined }
  export const devices = () => {
    if (process.env.FAKE_GPU === 'none') return { devices: [], reason: 'There is no GPU:\\n  - really' }
    if (process.env.FAKE_GPU === 'broken') throw new Error('no addon')
    const gpu = { name: 'Fake', computeCapability: '9.0', totalBytes: 2 ** 37, freeBytes: 2 ** 36 }
    if (process.env.FAKE_GPU === 'unusable') gpu.unusable = 'out of order'
    return { devices: [gpu], driverVersion: '13.0' }
  }
  export class CudaStream {}`

const suites = `
  import { destroy, use } from '@vattention/core'
  class SkipCase extends Error { name = 'SkipCase' }
  let poisoned = false
  let loaded = false
  const fine = () => { if (poisoned) throw new Error('an illegal address was encountered') }
  const one = (name, run, group = 'all') => ({ name, group, run })
  export const gpuSuites = () => [
    { name: 'good', cases: [one('passes', fine), one('waits', async () => fine())] },
    { name: 'mixed', cases: [
      one('begins', fine),
      one('fails', () => { throw new Error('seven is not eight') }),
      one('cannot apply', () => { throw new SkipCase('needs two GPUs') }),
      one('goes on', fine),
    ] },
    { name: 'poison', cases: [
      one('leaves an error behind', () => { poisoned = true }),
      one('finds it', fine, 'second'),
      one('is innocent', fine, 'fuzz'),
    ] },
    { name: 'crash', cases: [
      one('ends the process', () => { console.log('last words'); process.abort() }),
      one('hangs', () => new Promise((resolve) => setTimeout(resolve, 600_000))),
      one('is rejected', () => { Promise.reject(new Error('nobody waits')); return new Promise(() => setTimeout(() => {}, 9e5)) }),
      one('goes on', fine),
    ] },
    { name: 'memory', cases: [
      one('loads code', () => { if (!loaded) use(2 ** 21); loaded = true }),
      one('leaks', () => use(2 ** 22)),
      one('destroys the device', destroy),
      one('gives back', fine),
    ] },
    { name: 'unavailable', unavailable: 'built without it', cases: [] },
  ]`

const native = {
  good_test: "echo '3 passed, 0 failed'",
  bad_test: "echo '1 passed, 2 failed'; exit 1",
}

describe('the runner of the GPU tests', () => {
  let app
  beforeAll(() => {
    app = mkdtempSync(join(tmpdir(), 'vattention-runner-'))
    cpSync(runtimeFolder, join(app, 'runtime'), { recursive: true })
    const place = (path, text, mode) => {
      mkdirSync(join(app, path, '..'), { recursive: true })
      writeFileSync(join(app, path), text, { mode })
    }
    place('package.json', '{ "type": "module" }')
    place(
      'node_modules/@vattention/core/package.json',
      '{ "type": "module", "exports": "./index.js" }',
    )
    place('node_modules/@vattention/core/index.js', core)
    place('suites/some/index.js', suites)
    place('suites/torn/index.js', "throw new Error('cannot be imported')")
    place('native/gpu-tests.txt', `${Object.keys(native).join('\n')}\n`)
    for (const [name, script] of Object.entries(native)) {
      place(
        `native/${name}`,
        `#!/bin/sh\n[ "$VATTENTION_TEST_DEVICE" = cuda ] || exit 1\n${script}\n`,
        0o755,
      )
    }
  })
  afterAll(() => rmSync(app, { recursive: true }))

  function test(args, gpu = 'there') {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [join(app, 'runtime/test.mjs'), ...args],
      { encoding: 'utf8', env: { ...process.env, FAKE_GPU: gpu } },
    )
    return { status, stdout, stderr, last: stdout.trim().split('\n').at(-1) }
  }
  /** Runs with a report and returns the results of a suite by case. */
  function results(suite, ...args) {
    const file = join(app, 'report.json')
    const run = test(['--suite', suite, '--report', file, ...args])
    const report = JSON.parse(readFileSync(file, 'utf8'))
    const found = report.suites.find(({ name }) => name === suite)
    return {
      ...run,
      report,
      cases: Object.fromEntries(found.results.map((one) => [one.name, one])),
    }
  }

  it('runs cases, and says what they came to', () => {
    const { status, last, stdout, report } = results('good')
    expect({ status, last }).toEqual({ status: 0, last: '2 passed, 0 failed, 0 skipped' })
    expect(stdout).toMatch(/good\n {2}2 passed.*device memory 512.0 MiB before, 512.0 MiB after/)
    expect(report).toMatchObject({
      kind: 'gpu-tests',
      counts: { passed: 2, failed: 0, skipped: 0 },
    })
  })

  it('goes on behind a case that failed, in a new process', () => {
    const { status, last, cases, stdout } = results('mixed')
    expect({ status, last }).toEqual({ status: 1, last: '2 passed, 1 failed, 1 skipped' })
    expect(cases.fails.message).toContain('seven is not eight')
    expect(cases['cannot apply']).toMatchObject({ status: 'skipped', reason: 'needs two GPUs' })
    expect(stdout).toContain('skipped cannot apply: needs two GPUs')
    expect(cases['goes on'].status).toBe('passed')
  })

  it('says when a case fails only behind another one', () => {
    const { cases } = results('poison')
    expect(cases['finds it'].message).toMatch(/illegal address[^]*Alone in a new process it passes/)
    expect(cases['is innocent'].status).toBe('passed')
  })

  it('outlives cases that end the process or hang', () => {
    const { last, cases } = results('crash', '--timeout-per-case', '2')
    expect(last).toBe('1 passed, 3 failed, 0 skipped')
    expect(cases['ends the process'].message).toMatch(/ended by SIGABRT[^]*last words/)
    expect(cases.hangs.message).toContain('took longer than 2 s')
    expect(cases['is rejected'].message).toContain('nobody waits')
  })

  it('finds leaks of device memory, and knows first use from them', () => {
    const { cases, stdout } = results('memory')
    expect(cases['loads code'].status).toBe('passed')
    expect(cases.leaks.message).toMatch(/grows with every run.*4.0 MiB, 4.0 MiB, 4.0 MiB, 4.0 MiB/)
    expect(cases['destroys the device'].message).toMatch(/unusable behind it: .*the device is gone/)
    expect(cases['gives back'].status).toBe('passed')
    expect(stdout).toContain('FAILED  leaks')
  })

  it('runs native tests as cases', () => {
    const { last, cases } = results('native')
    expect(last).toBe('1 passed, 1 failed, 0 skipped')
    expect(cases.bad_test.message).toMatch(/status 1[^]*1 passed, 2 failed/)
  })

  it('says why a suite cannot run, or cannot be listed', () => {
    expect(test(['--suite', 'unavailable']).stdout).toMatch(
      /built without it[^]*0 failed, 1 skipped/,
    )
    const torn = test(['--suite', 'packages/torn'])
    expect(torn.status).toBe(1)
    expect(torn.stdout).toMatch(/FAILED[^]*cannot be imported/)
  })

  it('skips everything where there is no GPU, once with the reason', () => {
    const { status, stdout, last } = test(['--suite', 'good'], 'none')
    expect({ status, last }).toEqual({ status: 0, last: '0 passed, 0 failed, 2 skipped' })
    expect(stdout).toMatch(/^No GPU: There is no GPU: really\ngood: 2 skipped\n/)
    expect(test(['--suite', 'good', '--require-gpu'], 'none').status).toBe(1)
    const unusable = test(['--suite', 'good'], 'unusable')
    expect(unusable.status).toBe(0)
    expect(unusable.stdout).toMatch(/^No GPU: Fake: out of order\n/)
    // Not the machine's fault.
    expect(test(['--suite', 'good'], 'broken').status).toBe(1)
  })

  it('runs what is asked for', () => {
    expect(test(['--suite', 'good', 'good: waits']).last).toBe('1 passed, 0 failed, 0 skipped')
    // What matches may be among those that could not be listed.
    expect(test(['good: waits']).last).toBe('1 passed, 1 failed, 0 skipped')
    expect(test(['--list', 'mixed: ']).stdout.split('\n')).toContain('mixed: goes on')
    expect(test(['--suite', 'good', 'nothing like it'])).toMatchObject({ status: 2 })
    expect(test(['--timeout-per-case', 'soon'])).toMatchObject({ status: 2 })
  })

  it('runs a short set under memcheck', () => {
    const tool = join(app, 'sanitizer')
    mkdirSync(tool, { recursive: true })
    // Runs what follows its options; an error of memcheck's is an exit status.
    const script = `#!/bin/sh
      [ "$1" = --version ] && exit 0
      while [ "\${1#--}" != "$1" ]; do shift 2; done
      "$@" || exit $?
      [ -z "$FAKE_ERRORS" ] || { echo '1 error'; exit 86; }`
    writeFileSync(join(tool, 'compute-sanitizer'), script, { mode: 0o755 })
    expect(test(['--sanitize', '--suite', 'poison']).last).toBe('1 passed, 1 failed, 0 skipped')
    process.env.FAKE_ERRORS = '1'
    const { status, stdout } = test(['--sanitize', '--suite', 'good'])
    delete process.env.FAKE_ERRORS
    expect(status).toBe(1)
    expect(stdout).toMatch(
      /FAILED {2}the suite runs to its end[^]*status 86[^]*1 error[^]*1 passed, 1 failed/,
    )
    rmSync(tool, { recursive: true })
  })
})
