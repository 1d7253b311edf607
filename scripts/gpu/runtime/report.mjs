// What a run prints and writes.
import { writeFileSync } from 'node:fs'
import { release } from 'node:os'

const mebibytes = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MiB`
const seconds = (milliseconds) => `${(milliseconds / 1000).toFixed(1)} s`

/** Numbers of results by status. */
export function count(results) {
  const counts = { passed: 0, failed: 0, skipped: 0 }
  for (const { status } of results) counts[status]++
  return counts
}

export const countsText = ({ passed, failed, skipped }) =>
  `${passed} passed, ${failed} failed, ${skipped} skipped`

const indented = (text) => text.trim().replaceAll(/^/gm, '      ')

/** Collects what became of each case, prints what is not as it should be, and sums up. */
export class Report {
  /** @type {{ name: string, results: object[], memory?: object[], reason?: string }[]} */
  suites = []
  #print
  #started = Date.now()
  #about

  /**
   * @param {object} about Machine and options, for the file.
   * @param {(line: string) => void} print
   */
  constructor(about, print) {
    this.#about = about
    this.#print = print
  }

  /** Begins a suite; returns what notes its results. */
  begin(name) {
    const suite = { name, results: [] }
    this.suites.push(suite)
    this.#print(name)
    const started = Date.now()
    return {
      /** A case's end. */
      note: (result) => {
        suite.results.push(result)
        const { status, name: title, message = '', reason } = result
        if (status === 'failed') this.#print(`  FAILED  ${title}\n${indented(message)}`)
        if (status === 'skipped') this.#print(`  skipped ${title}: ${reason}`)
      },
      /** The suite's end. */
      end: (memory = []) => {
        suite.memory = memory
        this.#print(
          `  ${countsText(count(suite.results))} in ${seconds(Date.now() - started)}${memoryText(memory)}`,
        )
      },
    }
  }

  /** A suite of which no case can run. One line, and every case counts. */
  skip(name, titles, reason) {
    const results = titles.map((title) => ({ name: title, status: 'skipped', reason }))
    this.suites.push({ name, results, reason })
    this.#print(`${name}: ${titles.length} skipped`)
  }

  /** How all cases ended. */
  get counts() {
    return count(this.suites.flatMap(({ results }) => results))
  }

  /** Writes everything as JSON. */
  write(file) {
    const content = {
      schemaVersion: 1,
      kind: 'gpu-tests',
      startedAt: new Date(this.#started).toISOString(),
      seconds: (Date.now() - this.#started) / 1000,
      system: `${process.platform} ${release()} ${process.arch}`,
      node: process.version,
      commit: process.env.VATTENTION_COMMIT ?? null,
      ...this.#about,
      counts: this.counts,
      suites: this.suites,
    }
    writeFileSync(file, `${JSON.stringify(content, undefined, 2)}\n`)
  }
}

/** Device memory before and after the workers of a suite. */
function memoryText(memory) {
  const measured = memory.filter(({ beforeBytes }) => beforeBytes !== undefined)
  if (measured.length === 0) return ''
  const [{ beforeBytes }] = measured
  const { afterBytes, firstUseBytes } = measured.at(-1)
  const first =
    firstUseBytes > 0 ? `, ${mebibytes(firstUseBytes)} of it for what is used first` : ''
  return `; device memory ${mebibytes(beforeBytes)} before, ${mebibytes(afterBytes)} after${first}`
}
