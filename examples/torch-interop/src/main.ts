import { howToInstall, whyNoTorch } from './find-torch.ts'
import { parseFlags, usage } from './flags.ts'
import { run } from './torch-interop.ts'

const log = (line: string) => void process.stdout.write(`${line}\n`)

async function main(): Promise<void> {
  const flags = parseFlags(process.argv.slice(2))
  if (flags.help) return log(usage)
  const reason = whyNoTorch(flags.python)
  if (reason === undefined) await run(flags, log)
  else log(`Skipped: ${reason}\n${howToInstall}`)
}

main().catch((error: Error) => {
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 1
})
