import { createRequire } from 'node:module'
import { Command } from 'commander'

import type { CommandContext } from './commands/context.ts'
import { addBench } from './commands/bench.ts'
import { addDemo } from './commands/demo.ts'
import { addGenerate } from './commands/generate.ts'
import { addInspect } from './commands/inspect.ts'

const { version } = createRequire(import.meta.url)('../package.json') as { version: string }

/** The command line, whole. Parsing it throws `CommanderError` instead of ending the process. */
export function createProgram(context: CommandContext): Command {
  const { terminal } = context
  const program = new Command('vattention')
    .description('Serve a language model from a KV cache that is contiguous in virtual memory.')
    .version(version)
    .enablePositionalOptions() // bench has options of its own
    .showSuggestionAfterError()
    .showHelpAfterError('(add --help for all options)')
    .addHelpText(
      'after',
      `
Exit status: 0 done, 1 failed, 2 the command line is wrong, 3 a regression (bench), 130 interrupted.

Examples:
  vattention inspect --shape llama-3-8b
  vattention generate "Why is the sky blue?"
  vattention demo
  vattention bench decode --quick`,
    )
  addGenerate(program, context)
  addInspect(program, context)
  addDemo(program, context)
  addBench(program, context)
  for (const command of [program, ...program.commands]) {
    command.exitOverride().configureOutput({
      writeOut: (text) => terminal.out.write(text),
      writeErr: (text) => terminal.err.write(text),
    })
  }
  return program
}
