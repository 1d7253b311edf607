import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import type { Command } from 'commander'

import {
  compareResults,
  compareSets,
  comparisonSetText,
  comparisonText,
  type CompareOptions,
} from '../compare/index.ts'
import {
  renderComparison,
  renderComparisonSet,
  renderReport,
  writeReport,
} from '../report/index.ts'
import { readResult } from '../result/index.ts'
import type { ExitStatus, Output } from './output.ts'
import { isFolder, readResults } from './result-paths.ts'
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
    .description(
      'one page of results, with its plots beside it; or two results or folders of them, compared',
    )
    .argument('<paths...>', 'result files, and folders of them')
    .option('--out <folder>', 'where to write; a comparison is written only when this is given')
    .option(
      '--compare',
      'compare two files or folders, paired by bench and device: exit status 3 when the second is slower',
    )
    .option('--threshold <share>', 'the change that counts: 0.1 is a tenth')
    .action(async (files: string[], options: ReportOptions) => {
      if (options.compare) end(await compare(files, options, output))
      else await report(files, options, output)
    })
}

async function report(paths: readonly string[], options: ReportOptions, output: Output) {
  if (options.threshold !== undefined) throw new UsageError('--threshold is for --compare')
  const { results, ignored } = await readResults(paths)
  for (const reason of ignored) output.writeError(`left out: ${reason}\n`)
  const made = await renderReport(results)
  const path = await writeReport(options.out ?? 'bench-report', made)
  output.write(`${path}, and ${made.svgs.size} plots beside it\n`)
}

async function compare(
  paths: readonly string[],
  { out, threshold }: ReportOptions,
  output: Output,
): Promise<ExitStatus> {
  const [before, after] = paths
  if (before === undefined || after === undefined || paths.length !== 2) {
    throw new UsageError(
      `--compare takes two files or two folders, not ${paths.length}: before and after`,
    )
  }
  const share = threshold === undefined ? undefined : Number(threshold)
  if (share !== undefined && !(share > 0 && Number.isFinite(share))) {
    throw new UsageError(`--threshold takes a share above 0, such as 0.1, and not "${threshold}"`)
  }
  const options = share === undefined ? {} : { threshold: share }
  const folders = (await isFolder(before)) || (await isFolder(after))
  const { text, page, exitStatus } = folders
    ? await compareFolders(before, after, options)
    : await compareFiles(before, after, options)
  output.write(text)
  if (out !== undefined) {
    await mkdir(out, { recursive: true })
    const path = join(out, 'comparison.html')
    await writeFile(path, page)
    output.write(`${path}\n`)
  }
  return exitStatus
}

/** A comparison for a terminal and as a page. */
interface Compared {
  readonly text: string
  readonly page: string
  readonly exitStatus: 0 | 3
}

async function compareFiles(a: string, b: string, options: CompareOptions): Promise<Compared> {
  const found = compareResults(await readResult(a), await readResult(b), options)
  const { exitStatus } = found
  return { text: comparisonText(found), page: renderComparison(found), exitStatus }
}

/** Results are paired by their bench and device. */
async function compareFolders(a: string, b: string, options: CompareOptions): Promise<Compared> {
  const [before, after] = [await readResults([a]), await readResults([b])]
  const paired = compareSets(before.results, after.results, options)
  const set = { ...paired, doubts: [...paired.doubts, ...before.ignored, ...after.ignored] }
  const { exitStatus } = set
  return { text: comparisonSetText(set), page: renderComparisonSet(set), exitStatus }
}
