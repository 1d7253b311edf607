import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import type { Command } from 'commander'

import { compareResults, comparisonText } from '../compare/index.ts'
import { renderComparison, renderReport, writeReport } from '../report/index.ts'
import { readResult } from '../result/index.ts'
import type { ExitStatus, Output } from './output.ts'
import { UsageError } from './usage-error.ts'

interface ReportOptions {
  readonly out?: string
  readonly compare?: boolean
  readonly threshold?: string
}

/** Adds `report` to a program. */
export function addReport(
  program: Command,
  output: Output,
  end: (status: ExitStatus) => void,
): void {
  program
    .command('report')
    .description('one page of results, with its plots beside it; or two results, compared')
    .argument('<files...>', 'result files')
    .option('--out <folder>', 'where to write; a comparison is written only when this is given')
    .option('--compare', 'compare two results: exit status 3 when the second is slower')
    .option('--threshold <share>', 'the change that counts: 0.1 is a tenth')
    .action(async (files: string[], options: ReportOptions) => {
      if (options.compare) end(await compare(files, options, output))
      else await report(files, options, output)
    })
}

async function report(files: readonly string[], options: ReportOptions, output: Output) {
  if (options.threshold !== undefined) throw new UsageError('--threshold is for --compare')
  const results = []
  for (const file of files) results.push(await readResult(file))
  const made = await renderReport(results)
  const path = await writeReport(options.out ?? 'bench-report', made)
  output.write(`${path}, and ${made.svgs.size} plots beside it\n`)
}

async function compare(
  files: readonly string[],
  { out, threshold }: ReportOptions,
  output: Output,
): Promise<ExitStatus> {
  const [before, after] = files
  if (before === undefined || after === undefined || files.length !== 2) {
    throw new UsageError(`--compare takes two files, not ${files.length}: before and after`)
  }
  const share = threshold === undefined ? undefined : Number(threshold)
  if (share !== undefined && !(share > 0 && Number.isFinite(share))) {
    throw new UsageError(`--threshold takes a share above 0, such as 0.1, and not "${threshold}"`)
  }
  const comparison = compareResults(
    await readResult(before),
    await readResult(after),
    share === undefined ? {} : { threshold: share },
  )
  output.write(comparisonText(comparison))
  if (out !== undefined) {
    await mkdir(out, { recursive: true })
    const path = join(out, 'comparison.html')
    await writeFile(path, renderComparison(comparison))
    output.write(`${path}\n`)
  }
  return comparison.exitStatus
}
