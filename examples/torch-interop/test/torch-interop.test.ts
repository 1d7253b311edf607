/**
 * With whatever `python3` there is: where it has PyTorch the example runs, where it has none it says
 * so. `VATTENTION_PYTHON` names another.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cpu } from '@vattention/interface'
import { afterAll, describe, expect, test } from 'vitest'

import { whyNoTorch } from '../src/find-torch.ts'
import { parseFlags } from '../src/flags.ts'
import { PythonProcess } from '../src/python-process.ts'
import { run } from '../src/torch-interop.ts'

const python = process.env['VATTENTION_PYTHON'] ?? 'python3'
const noTorch = whyNoTorch(python)

const folder = mkdtempSync(join(tmpdir(), 'vattention-torch-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** A program that stands for Python. */
function program(name: string, script: string): string {
  const path = join(folder, name)
  writeFileSync(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  return path
}

describe.skipIf(noTorch !== undefined)('PyTorch and Node see the same pages', () => {
  test.each(['float32', 'float16', 'bfloat16'] as const)('%s, written by both', async (dtype) => {
    const lines: string[] = []
    await run({ python, device: cpu, dtype, writable: true }, (line) => lines.push(line))
    expect(lines).toHaveLength(8)
    expect(lines[0]).toMatch(/^Node: 300 tokens of \w+ on cpu, [1-9]\d* pages in 1 descriptor/)
    for (const line of lines.slice(2, 6)) {
      expect(line).toContain(`${dtype} [300, 2, 64] on cpu, strides 128, 64, 1: equal`)
    }
    expect(lines[6]).toMatch(/^PyTorch negated/)
  })

  test('read only, of all layers in one tensor', async () => {
    const lines: string[] = []
    const shared = { dtype: 'bfloat16', layout: 'interleaved', writable: false } as const
    await run({ python, device: cpu, ...shared }, (line) => lines.push(line))
    expect(lines).toHaveLength(7)
    expect(lines[2]).toContain('strides 512, 64, 1: equal')
  })
})

test.skipIf(noTorch === undefined)('without PyTorch the reason is Python’s own', () => {
  expect(noTorch).toMatch(/^\S+ (cannot import torch: \S|cannot be started: )/)
})

test('a Python that is not there is the reason', () => {
  expect(whyNoTorch(join(folder, 'nothing'))).toMatch(/cannot be started: .*ENOENT/)
})

test('what a Python without PyTorch says is the reason', () => {
  const path = program('lacking', "echo 'Traceback' >&2; echo 'No module: torch' >&2; exit 1")
  expect(whyNoTorch(path)).toBe(`${path} cannot import torch: No module: torch`)
})

describe('a Python process', () => {
  test('that ends is reported, with how', async () => {
    await using ended = new PythonProcess(program('ending', 'read line; exit 3'), [])
    await expect(ended.ask('map')).rejects.toThrow('Python ended by status 3 when asked to map')
    await using killed = new PythonProcess(program('killed', 'read line; kill -SEGV $$'), [])
    await expect(killed.ask('map')).rejects.toThrow('ended by SIGSEGV')
  })

  test('that cannot be started is reported', async () => {
    await using torch = new PythonProcess(join(folder, 'nothing'), [])
    await expect(torch.ask('map')).rejects.toThrow('ENOENT')
  })

  test('that answers with an error is reported, and can be asked again', async () => {
    const script = 'read line; echo \'{"error":"Oops"}\'; read line; echo "$line"'
    await using torch = new PythonProcess(program('answering', script), [])
    await expect(torch.ask('map')).rejects.toThrow('Python, asked to map: Oops')
    expect(await torch.ask('read', { layer: 1 })).toEqual({ do: 'read', layer: 1 })
  })
})

test('flags', () => {
  expect(parseFlags(['--device', 'cuda:1', '--read-only'])).toMatchObject({
    device: { type: 'cuda', index: 1 },
    writable: false,
  })
  expect(() => parseFlags(['--device', 'tpu'])).toThrow(/--device/)
  expect(() => parseFlags(['--dtype', 'int8'])).toThrow(/--dtype.*bfloat16/)
})
