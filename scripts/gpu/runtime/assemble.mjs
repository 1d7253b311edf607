// Puts together the binaries that travelled as pieces of others: node assemble.mjs <app>. Their form is
// told in scripts/gpu/pieces.mjs of the repository.
import { createHash } from 'node:crypto'
import {
  closeSync,
  openSync,
  readFileSync,
  readSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'

const app = process.argv[2]

/** Part of a file. */
function readPart(file, offset, length) {
  const part = Buffer.alloc(length)
  const descriptor = openSync(file, 'r')
  const read = readSync(descriptor, part, 0, length, offset)
  closeSync(descriptor)
  if (read !== length) throw new Error(`${file} is too short.`)
  return part
}

const travelling = readdirSync(app, { recursive: true })
  // node_modules links to the packages, and Node 20 follows links.
  .filter((name) => name.endsWith('.pieces') && !name.startsWith('node_modules'))
  .map((name) => {
    const file = join(app, name)
    const bytes = readFileSync(file)
    const end = 4 + bytes.readUInt32LE(0)
    const header = JSON.parse(bytes.toString('utf8', 4, end))
    return { file, ...header, literals: bytes.subarray(end) }
  })
  .sort((a, b) => a.order - b.order)
for (const { file, sha256, sources, pieces, literals } of travelling) {
  const parts = pieces.map(([source, offset, length]) =>
    source < 0
      ? literals.subarray(offset, offset + length)
      : readPart(join(app, sources[source]), offset, length),
  )
  const whole = Buffer.concat(parts)
  if (createHash('sha256').update(whole).digest('hex') !== sha256) {
    throw new Error(`${file}: its pieces do not fit.`)
  }
  writeFileSync(file.slice(0, -'.pieces'.length), whole, { mode: 0o755 })
  rmSync(file)
}
