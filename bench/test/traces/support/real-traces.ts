import { existsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

import type { TestContext } from 'vitest'

const repository = resolve(dirname(fileURLToPath(import.meta.url)), '../../../..')

/** Where the published traces lie: they are not part of the project. */
const folder = process.env['VATTENTION_TRACES'] ?? resolve(repository, '../shared/data/traces')

/** The path of a published trace; the test is skipped, with the reason, where it is absent. */
export function realTrace(context: TestContext, name: string): string {
  const path = join(folder, name)
  context.skip(!existsSync(path), `${path} is absent; set VATTENTION_TRACES to the traces' folder`)
  return path
}

/** File names of the published traces by the names of their profiles. */
export const realTraceFiles: Readonly<Record<string, string>> = {
  'azure-2023-code': 'azure-2023-code.csv',
  'azure-2023-conv': 'azure-2023-conv.csv',
  'arxiv-sample': 'arxiv-sample.csv',
  'arxiv-long-offline': 'arxiv-long-offline.csv',
  'mooncake-conversation': 'mooncake-conversation.jsonl.gz',
}
