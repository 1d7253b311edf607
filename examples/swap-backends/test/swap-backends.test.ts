import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { temporaryFolder, writeTinyGguf } from '../../../packages/engine/test/support/tiny-model.ts'
import { backendMakers } from '../src/backends.ts'
import { comparedCaches } from '../src/caches.ts'
import { differences } from '../src/compare.ts'
import { openModel, type ServedModel } from '../src/model.ts'
import { serve } from '../src/serve.ts'
import { runAll } from '../src/swap-backends.ts'

const tokens = 12
const folder = temporaryFolder()
let model: ServedModel

beforeAll(async () => {
  model = await openModel({ model: writeTinyGguf(folder.path) })
})

afterAll(() => {
  model[Symbol.dispose]()
  folder.dispose()
})

describe('every combination of cache and backend', () => {
  test('gives the same tokens, or is refused with its reasons', async () => {
    const lines: string[] = []
    expect(await runAll(model, 'float32', tokens, (line) => lines.push(line))).toBe(true)
    const refused = lines.filter((line) => line.includes('refused'))
    expect(refused).toHaveLength(1)
    expect(refused[0]).toMatch(/^paged-attention-16 cache, naive backend: refused\. .*nhd/s)
    const served = comparedCaches.length * Object.keys(backendMakers).length - refused.length
    expect(lines.at(-1)).toMatch(
      new RegExp(`^${served} combinations, the same tokens from each\\.`),
    )
    expect(lines.filter((line) => /^ {2}(\d+ ){11}\d+ /.test(line))).toHaveLength(4 * served)
  })

  test('answers each prompt in its own way', async () => {
    const { answers, backend } = await serve(
      model,
      { cache: 'contiguous', kvDtype: 'float32' },
      tokens,
    )
    expect(backend).toBe('cpu')
    expect(new Set(answers.map((answer) => answer.tokens.join())).size).toBe(4)
  })
})

test('a combination that cannot be is refused with all reasons', async () => {
  const combination = { cache: 'paged-attention-16', backend: 'naive', kvDtype: 'float16' } as const
  await expect(serve(model, combination, tokens)).rejects.toMatchObject({
    code: 'ERR_VATTENTION_BACKEND_UNSUPPORTED',
    reasons: [{ code: 'poolLayout' }, { code: 'kvDtype' }],
  })
})

test('random weights serve from native backends, and no other', async () => {
  using random = await openModel({ shape: 'smollm2-135m' })
  const { answers } = await serve(random, { cache: 'paged-16', kvDtype: 'float32' }, 1)
  expect(answers.map((answer) => answer.tokens.length)).toEqual([1, 1, 1, 1])
  await expect(
    serve(random, { cache: 'paged-16', backend: 'naive', kvDtype: 'float32' }, 1),
  ).rejects.toMatchObject({ code: 'ERR_VATTENTION_ENGINE_UNSUPPORTED' })
})

test('a difference is found and named', () => {
  const answer = (...chosen: number[]) => ({ tokens: chosen, text: '', margin: 1 })
  const served = [
    { name: 'one', answers: [answer(1, 2, 3), answer(4)] },
    { name: 'two', answers: [answer(1, 2, 3), answer(4)] },
    { name: 'three', answers: [answer(1, 9, 3), answer(4, 5)] },
  ]
  expect(differences(served)).toEqual([
    'request 0: token 1 from three differs from that of one',
    'request 1: token 1 from three differs from that of one',
  ])
})
