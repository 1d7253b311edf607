import type { Command } from 'commander'

import { UsageError } from '../cli/usage-error.ts'
import type { CommandContext } from './context.ts'

/** What of the package is used: its `main`. */
interface BenchModule {
  main(
    args: readonly string[],
    options: {
      readonly output: {
        write(text: string): void
        writeError(text: string): void
        readonly terminal?: NodeJS.WritableStream
      }
      readonly signal: AbortSignal
      readonly name: string
      readonly environment: NodeJS.ProcessEnv
    },
  ): Promise<number>
}

// A package of its own: who serves models does not install plots and traces.
const benchPackage = '@vattention/bench'

/** Adds `vattention bench`, whose arguments are those of `@vattention/bench`. */
export function addBench(program: Command, context: CommandContext): void {
  program
    .command('bench')
    .description('comparative benchmarks of backends and caches, and their reports')
    .argument('[arguments...]', 'a suite and its options, or report: see bench --help')
    .helpOption(false)
    .allowUnknownOption()
    .passThroughOptions()
    .action(async (args: readonly string[]) => {
      const { main } = await loadBench()
      const { terminal, signal, environment } = context
      context.endWith(
        await main(args, {
          output: {
            write: (text) => void terminal.out.write(text),
            writeError: (text) => void terminal.err.write(text),
            ...(terminal.err.isTTY && { terminal: terminal.err }),
          },
          signal,
          name: 'vattention bench',
          environment,
        }),
      )
    })
}

async function loadBench(): Promise<BenchModule> {
  try {
    return (await import(benchPackage as string)) as BenchModule
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ERR_MODULE_NOT_FOUND' && code !== 'MODULE_NOT_FOUND') throw error
    throw new UsageError(
      `Benchmarks are a package of their own, which is not installed: npm install ${benchPackage}`,
    )
  }
}
