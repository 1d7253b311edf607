import { writeFile } from 'node:fs/promises'

import type { Command } from 'commander'

import { checkPage } from '../figures/index.ts'
import type { ExitStatus, Output } from './output.ts'

/** Adds `figures` to a program. */
export function addFigures(
  program: Command,
  output: Output,
  end: (status: ExitStatus) => void,
): void {
  program
    .command('figures')
    .description('compares the figures of Markdown pages with the results that they link to')
    .argument('<pages...>', 'Markdown files')
    .option('--write', 'puts in what the results have')
    .action(async (paths: string[], { write = false }: { write?: boolean }) => {
      let wrong = 0
      for (const path of paths) {
        const { figures, stale, corrected } = await checkPage(path)
        for (const { written, reason } of stale) output.write(`${path}: "${written}": ${reason}\n`)
        if (write && stale.length > 0) await writeFile(path, corrected)
        wrong += write
          ? stale.filter(({ expected }) => expected === undefined).length
          : stale.length
        output.write(
          `${path}: ${figures} figures, ${stale.length} ${write ? 'changed' : 'stale'}\n`,
        )
      }
      end(wrong > 0 ? 1 : 0)
    })
}
