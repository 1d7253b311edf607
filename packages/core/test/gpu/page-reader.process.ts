/**
 * Imports pages of another process from its descriptors from 3 on, and does with them what lines of
 * JSON on its input ask for, until the input ends. Answers each by a line.
 *
 *   { manifest, writable }       { lengths }
 *   { read: sequence, rows }     { digests }: of the first rows in all tensors, keys before values
 *   { fill: sequence, value }    {}
 *
 * What throws is answered by { code }.
 */
import { createHash } from 'node:crypto'
import { closeSync } from 'node:fs'
import { createInterface } from 'node:readline'

import { importPages, read, write, type PageImport, type PageManifest } from '@vattention/core'
import { elementCount } from '@vattention/interface'

interface Request {
  readonly manifest?: PageManifest
  readonly writable?: boolean
  readonly read?: number
  readonly rows?: number
  readonly fill?: number
  readonly value?: number
}

let pages: PageImport | undefined

const tensorsOf = (sequence: number) =>
  pages!.rows(sequence).flatMap(({ key, value }) => [key, value])

function answer(request: Request): object {
  if (request.manifest) {
    const files = Array.from({ length: request.manifest.files }, (_, i) => 3 + i)
    pages = importPages(request.manifest, files, { writable: request.writable ?? false })
    files.forEach((file) => closeSync(file))
    return { lengths: pages.lengths }
  }
  if (request.fill !== undefined) {
    for (const tensor of tensorsOf(request.fill)) {
      write(tensor, new Float32Array(elementCount(tensor.shape)).fill(request.value!))
    }
    return {}
  }
  const digests = tensorsOf(request.read!).map((tensor) => {
    const rows = read({ ...tensor, shape: [request.rows!, ...tensor.shape.slice(1)] })
    return createHash('sha256').update(rows).digest('hex')
  })
  return { digests }
}

for await (const line of createInterface({ input: process.stdin })) {
  let reply
  try {
    reply = answer(JSON.parse(line) as Request)
  } catch (error) {
    reply = { code: (error as { code?: string }).code ?? String(error) }
  }
  process.stdout.write(`${JSON.stringify(reply)}\n`)
}
pages?.[Symbol.dispose]()
