import { run } from './attention-only.ts'

run((line) => process.stdout.write(`${line}\n`))
