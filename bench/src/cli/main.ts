import { Command, CommanderError } from 'commander'

import { ResultError } from '../result/index.ts'
import type { ExitStatus, Output } from './output.ts'
import { addReport } from './report.ts'
import { UsageError } from './usage-error.ts'

const terminal: Output = {
  write: (text) => void process.stdout.write(text),
  writeError: (text) => void process.stderr.write(text),
}

/**
 * Runs a command of the benchmarks.
 *
 * @param argv Arguments after the program's name: `['report', 'a.json']`.
 * @returns the exit status: 0 done, 1 failed, 2 called wrongly, 3 a regression
 */
export async function main(
  argv: readonly string[],
  output: Output = terminal,
): Promise<ExitStatus> {
  let status: ExitStatus = 0
  const program = new Command('bench')
    .description('Reports and comparisons of benchmark results')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => output.write(text),
      writeErr: (text) => output.writeError(text),
    })
  addReport(program, output, (ended) => {
    status = ended
  })
  try {
    await program.parseAsync([...argv], { from: 'user' })
    return status
  } catch (error) {
    // Help and its like are no errors; commander has said the rest.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    if (error instanceof ResultError) {
      output.writeError(`${error.source}:\n${error.reasons.map((one) => `  ${one}\n`).join('')}`)
      return 1
    }
    output.writeError(`${(error as Error).message}\n`)
    return error instanceof UsageError ? 2 : 1
  }
}
