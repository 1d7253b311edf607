import { expect, test } from 'vitest'

import { run } from './support.ts'

test('bench --help lists the suites, and report', async () => {
  const { status, out } = await run(['bench', '--help'])
  expect(status).toBe(0)
  for (const name of ['serve-offline', 'allocate', 'report', 'vattention bench']) {
    expect(out).toContain(name)
  }
})

test('options behind bench are those of the suite', async () => {
  const { status, out } = await run(['bench', 'allocate', '--help'])
  expect(status).toBe(0)
  expect(out).toContain('--quick')
})

test('what benchmarks refuse is refused, with their exit status', async () => {
  expect(await run(['bench', 'alocate'])).toMatchObject({
    status: 2,
    err: expect.stringContaining("unknown command 'alocate'"),
  })
  expect(await run(['bench', 'allocate', '--device', 'tpu'])).toMatchObject({
    status: 2,
    err: expect.stringContaining('Expected auto, cpu, cuda or cuda:N'),
  })
})
