import type { Command } from 'commander'

import { suites } from '../suites/index.ts'
import type { CommandContext } from './context.ts'
import type { ExitStatus } from './output.ts'
import { runSuiteCommand } from './run-suite-command.ts'
import { sharedOptions, type SharedOptions } from './shared-options.ts'

/** Adds a command for each suite to a program. */
export function addSuites(
  program: Command,
  context: CommandContext,
  end: (status: ExitStatus) => void,
): void {
  for (const suite of suites) {
    const command = program.command(suite.name).description(suite.summary)
    for (const option of [...(suite.options?.() ?? []), ...sharedOptions(suite.budgetSeconds)]) {
      command.addOption(option)
    }
    command.action(async (options: SharedOptions & Readonly<Record<string, unknown>>) => {
      end(await runSuiteCommand(suite, options, context))
    })
  }
}
