/** A second process that has imported exported pages: page-reader.process.ts. */
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

import { SkipCase } from '@vattention/conformance'
import type { PageExport } from '@vattention/core'
import type { Tensor } from '@vattention/interface'

import { pattern } from './support.ts'

/** Ends with the block that it was made in. */
export class PageReader implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>

  private constructor(child: ChildProcess) {
    this.#child = child
    this.#lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
  }

  /** Starts one with the export's files, and has it import them. */
  static async start(pages: PageExport, writable = false): Promise<PageReader> {
    const program = fileURLToPath(new URL('./page-reader.process.js', import.meta.url))
    if (!existsSync(program)) throw new SkipCase('needs a second process: npm run test:gpu')
    const child = spawn(process.execPath, [program], {
      stdio: ['pipe', 'pipe', 'inherit', ...pages.files],
    })
    const reader = new PageReader(child)
    const reply = await reader.#ask({ manifest: pages.manifest, writable })
    assert.deepEqual(reply, { lengths: pages.manifest.lengths })
    return reader
  }

  /** Fails unless it reads what `fill` of support.ts wrote into `rows`, all of a sequence's. */
  async expectFilled(sequence: number, rows: readonly Tensor[], seed: number): Promise<void> {
    const digests = rows.map((tensor, i) =>
      createHash('sha256')
        .update(pattern(tensor, seed + i))
        .digest('hex'),
    )
    const reply = await this.#ask({ read: sequence, rows: rows[0]!.shape[0] })
    assert.deepEqual(reply, { digests })
  }

  /** Has it write one number everywhere in a sequence. */
  async write(sequence: number, value: number): Promise<void> {
    assert.deepEqual(await this.#ask({ fill: sequence, value }), {})
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin!.end()
    if (this.#child.exitCode === null) await once(this.#child, 'exit')
  }

  async #ask(request: object): Promise<unknown> {
    this.#child.stdin!.write(`${JSON.stringify(request)}\n`)
    const { value, done } = await this.#lines.next()
    assert.ok(!done, 'the other process has ended')
    return JSON.parse(value as string)
  }
}
