import { parseFlags, usage } from './flags.ts'
import { openModel } from './model.ts'
import { runAll, runOne } from './swap-backends.ts'

const log = (line: string) => void process.stdout.write(`${line}\n`)

async function main(): Promise<boolean> {
  const flags = parseFlags(process.argv.slice(2))
  if (flags.help) {
    log(usage)
    return true
  }
  using model = await openModel(flags)
  log(
    `${model.loaded.name}, weights and activations in float32, keys and values in ${flags.kvDtype}`,
  )
  if (flags.all) return await runAll(model, flags.kvDtype, flags.tokens, log)
  await runOne(model, flags, flags.tokens, log)
  return true
}

main().then(
  (passed) => {
    process.exitCode = passed ? 0 : 1
  },
  (error: Error) => {
    process.stderr.write(`${error.message}\n`)
    process.exitCode = 1
  },
)
