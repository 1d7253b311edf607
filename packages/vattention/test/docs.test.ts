import { resultErrors, servingErrors } from '@vattention/bench'
import { engineErrors } from '@vattention/engine'
import { cpuCapabilities } from '@vattention/cpu'
import { flashAttention2Capabilities } from '@vattention/flash-attention-2'
import { flashAttention3Capabilities } from '@vattention/flash-attention-3'
import { flashInferCapabilities, flashInferHopperCapabilities } from '@vattention/flashinfer'
import { errors } from '@vattention/interface'
import { pagedAttentionCapabilities } from '@vattention/paged-attention'
import { expect, test } from 'vitest'
import { format } from 'prettier'

import { badInputPage } from './docs/bad-inputs.ts'
import { backendsPage } from './docs/backends-page.ts'
import { commandPage } from './docs/command-page.ts'
import { errorsPage } from './docs/errors-page.ts'
import { run } from './support.ts'

/** Fails when the page in the repository is stale; `npm run docs:pages` writes it anew. */
async function expectPage(file: string, markdown: string): Promise<void> {
  const pretty = await format(markdown, { parser: 'markdown', printWidth: 100 })
  await expect(pretty).toMatchFileSnapshot(`../../../docs/${file}`)
}

test('the errors page has every row of every table', async () => {
  await expectPage(
    'errors.md',
    errorsPage({
      'Caches and backends': { rows: errors },
      'The engine': { rows: engineErrors },
      'Results of benchmarks': { rows: resultErrors, throws: 'ResultError' },
      'Measurements of serving': { rows: servingErrors, throws: 'VattentionError' },
    }),
  )
})

test('the backends page says what the capability data say', async () => {
  await expectPage(
    'backends.md',
    backendsPage([
      { name: 'flash-attention-3', capabilities: flashAttention3Capabilities() },
      { name: 'flash-attention-2', capabilities: flashAttention2Capabilities() },
      { name: 'flashinfer', capabilities: flashInferCapabilities() },
      { name: 'flashinfer-hopper', capabilities: flashInferHopperCapabilities() },
      { name: 'paged-attention', capabilities: pagedAttentionCapabilities() },
      { name: 'cpu', capabilities: cpuCapabilities },
    ]),
  )
})

test('the command page is the help that the command prints', async () => {
  const commands = [[], ['generate'], ['inspect'], ['demo'], ['bench']]
  const helps = await Promise.all(
    commands.map(async (command) => ({
      command: ['vattention', ...command].join(' '),
      help: (await run([...command, '--help'])).out,
    })),
  )
  await expectPage('command.md', commandPage(helps))
})

test('the page of bad input has every row that is tested', async () => {
  await expectPage('bad-input.md', badInputPage())
})
