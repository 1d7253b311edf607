import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { runNinja, StepReader } from '../cuda/ninja.mjs'
import { BootstrapError } from '../progress.mjs'

const object = 'native/attention/x/CMakeFiles/y.dir/root/z.cu.o'

function steps(text) {
  const found = []
  const reader = new StepReader((step) => found.push(step))
  for (const line of text.split('\n')) reader.line(line)
  reader.flush()
  return found
}

describe('what Ninja prints', () => {
  it('becomes one step for each file, with what its compiler said', () => {
    const text = `[1/3] Building CUDA object ${object}\nwarning: w\n[2/3] Linking CXX static library libx.a`
    expect(steps(text)).toEqual([
      { finished: 1, total: 3, name: 'x: z.cu', failed: false, text: 'warning: w\n' },
      {
        finished: 2,
        total: 3,
        name: 'Linking CXX static library libx.a',
        failed: false,
        text: '',
      },
    ])
  })

  it('tells failed steps by name, with command and output', () => {
    const text = `[1/3] Building CUDA object ${object}\nFAILED: [code=1] ${object}\nnvcc z.cu\nz.cu(1): error: e\nninja: build stopped: subcommand failed.`
    expect(steps(text)).toEqual([
      {
        finished: 1,
        total: 3,
        name: 'x: z.cu',
        failed: true,
        text: 'nvcc z.cu\nz.cu(1): error: e\n',
      },
    ])
  })

  it('tells what Ninja itself could not do', () => {
    expect(steps("ninja: error: 'a.cu', needed by 'a.o', missing")).toMatchObject([
      { name: '', failed: true, text: "ninja: error: 'a.cu', needed by 'a.o', missing\n" },
    ])
    expect(steps('ninja: no work to do.')).toEqual([])
  })
})

it('a step is reported once', () => {
  const found = []
  const reader = new StepReader((step) => found.push(step.name))
  reader.line('[1/2] Linking a')
  reader.flush()
  reader.flush()
  reader.line('[2/2] Linking b')
  reader.flush()
  expect(found).toEqual(['Linking a', 'Linking b'])
})

describe('a build', () => {
  let folder
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'vattention-ninja-'))))
  afterEach(() => rmSync(folder, { recursive: true }))

  /** Runs with a Ninja that prints `text` and ends with `status`. */
  async function failure(text, status) {
    const ninja = join(folder, 'ninja')
    writeFileSync(ninja, `#!/bin/sh\ncat <<'END'\n${text}\nEND\nexit ${status}\n`)
    chmodSync(ninja, 0o755)
    const env = { ...process.env, PATH: `${folder}${delimiter}${process.env.PATH}` }
    const error = await runNinja({ folder, targets: ['all'], jobs: 1, env }).then(
      () => undefined,
      (reason) => reason,
    )
    if (status !== 0) expect(error).toBeInstanceOf(BootstrapError)
    return error?.message
  }
  const failed = (output) =>
    failure(
      `[1/2] Building CUDA object ${object}\nFAILED: ${object}\nnvcc -c z.cu\n${output}\nninja: build stopped: subcommand failed.`,
      1,
    )

  it('says nothing when all is well', async () => {
    expect(await failure('ninja: no work to do.', 0)).toBeUndefined()
  })

  it('names the failed file, its log and its first error', async () => {
    const message = await failed('z.cu(3): error: identifier "q" is undefined\n1 error detected')
    const log = join(folder, 'logs/x-z.cu.log')
    expect(message).toContain(`x: z.cu failed. Its log: ${log}`)
    expect(message).toContain('z.cu(3): error: identifier "q" is undefined')
    expect(existsSync(log)).toBe(true)
    expect(readFileSync(log, 'utf8')).toMatch(/^nvcc -c z\.cu\n/)
  })

  it('says that memory was short when the system ended the compiler', async () => {
    const message = await failed("nvcc error : 'cicc' died due to signal 9 (Kill signal)")
    expect(message).toContain('memory is short. Try again with --jobs 1')
  })

  it('says that the disk is full', async () => {
    const message = await failed('fatal error: writing /tmp/z.s: No space left on device')
    expect(message).toContain('The disk is full')
  })

  it('says that it goes on from where it was stopped', async () => {
    expect(await failure('[1/9] Building CUDA object a.cu.o', 130)).toContain(
      'The build was stopped (exit code 130). What is finished is kept; the same command goes on from there.',
    )
  })
})
