import { spawnSync } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'

import { describe, expect, it } from 'vitest'

import { packages, parseBuildOptions, targets, UsageError } from '../cuda/options.mjs'

describe('the command line of build:cuda', () => {
  it('builds every package for both GPUs by default', () => {
    expect(parseBuildOptions([])).toEqual({
      targets: packages,
      archs: ['90a', '80'],
      headDims: ['64', '128'],
      dtypes: ['bf16', 'fp16'],
      softCap: false,
      fp8: false,
      jobs: availableParallelism(),
      help: false,
    })
  })

  it('takes lists in any order, each value once, so that the same set is the same build', () => {
    const args = ['--arch=80,90a,80', '--head-dims', '256, 64', '--dtypes', 'fp16']
    expect(parseBuildOptions(args)).toMatchObject({
      archs: ['90a', '80'],
      headDims: ['64', '256'],
      dtypes: ['fp16'],
    })
  })

  it('takes flags, a number of jobs and targets anywhere', () => {
    const args = ['tests', '--soft-cap', '--jobs', '3', 'flashinfer', '--fp8']
    expect(parseBuildOptions(args)).toMatchObject({
      targets: ['flashinfer', 'tests'],
      softCap: true,
      fp8: true,
      jobs: 3,
    })
  })

  it('leaves FlashAttention-3 out where no Hopper is asked for', () => {
    expect(parseBuildOptions(['--arch', '80']).targets).toEqual(
      packages.filter((name) => name !== 'flash-attention-3'),
    )
  })

  it.each([
    [['--heads-dims', '64'], 'The option --heads-dims is not known. Did you mean --head-dims?'],
    [
      ['--verbose'],
      'The option --verbose is not known. Known: --arch, --head-dims, --dtypes, --jobs, --soft-cap, --fp8, --help.',
    ],
    [['-j4'], 'The option -j is not known.'],
    [
      ['flash-attention3'],
      'The target flash-attention3 is not known. Did you mean flash-attention-3?',
    ],
    [['core'], `The target core is not known. Known: ${targets.join(', ')}.`],
    [['--arch', '90'], '--arch: the value 90 is not known. Did you mean 90a?'],
    [
      ['--head-dims', '64,,128'],
      '--head-dims: the value "" is not known. Known: 64, 96, 128, 192, 256.',
    ],
    [['--dtypes', 'float32'], '--dtypes: the value float32 is not known. Known: bf16, fp16.'],
    [['--arch'], '--arch needs a value.'],
    [['--arch', '--fp8'], '--arch needs a value.'],
    [['--fp8=yes'], '--fp8 takes no value.'],
    [['--jobs', '0'], '--jobs: an integer of at least 1 required, found 0.'],
    [['--jobs', 'all'], '--jobs: an integer of at least 1 required, found all.'],
    [
      ['flash-attention-3', '--arch', '80'],
      'flash-attention-3 is built for 90a only: add it to --arch.',
    ],
  ])('refuses %j', (args, message) => {
    expect(() => parseBuildOptions(args)).toThrow(UsageError)
    expect(() => parseBuildOptions(args)).toThrow(message)
  })

  it('ends with 2 and the message alone, before it fetches or builds anything', () => {
    const script = fileURLToPath(new URL('../cuda/build.mjs', import.meta.url))
    const { status, stdout, stderr } = spawnSync(process.execPath, [script, '--hepl'], {
      encoding: 'utf8',
    })
    expect(status).toBe(2)
    expect(stdout).toBe('')
    expect(stderr.trim()).toBe('The option --hepl is not known. Did you mean --help?')
  })

  it('explains itself', () => {
    const script = fileURLToPath(new URL('../cuda/build.mjs', import.meta.url))
    const { status, stdout } = spawnSync(process.execPath, [script, '--help'], { encoding: 'utf8' })
    expect(status).toBe(0)
    for (const word of [...targets, '--arch', '--head-dims', '--dtypes', '--soft-cap', '--fp8']) {
      expect(stdout).toContain(word)
    }
  })
})
