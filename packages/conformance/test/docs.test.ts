import { format } from 'prettier'
import { expect, test } from 'vitest'

import { casesPage } from './docs/cases-page.ts'

test('docs/conformance.md lists the cases that there are', async () => {
  const pretty = await format(casesPage(), { parser: 'markdown', printWidth: 100 })
  // Stale: `npm run docs:pages` writes it anew.
  await expect(pretty).toMatchFileSnapshot('../../../docs/conformance.md')
})
