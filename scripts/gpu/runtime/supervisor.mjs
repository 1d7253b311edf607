// Runs cases in worker processes and outlives whatever becomes of them.
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const worker = fileURLToPath(new URL('worker.mjs', import.meta.url))

/** How often the log of a worker is looked at, in milliseconds: only for its time limit. */
const lookEvery = 100

/** A process may take so long before its first case: it loads gigabytes, on a machine that is busy. */
const startMs = 120_000

/** The end of what a process printed; all of it could be gigabytes. */
const keptCharacters = 8192

/**
 * Runs one worker to its end.
 *
 * @param {Omit<import('./worker.mjs').Job, 'log'>} job
 * @param {object} options
 * @param {number} options.timeoutMs For one case.
 * @param {string[]} [options.wrapper] A program that runs the worker, compute-sanitizer for example.
 * @param {(event: object) => void} [options.onEvent] Called with each event of the log.
 * @returns {Promise<{ events: object[], end: string | undefined, output: string, timedOut: boolean }>}
 * `end`: how it ended, if not well
 */
export async function runWorker(job, { timeoutMs, wrapper = [], onEvent = () => undefined }) {
  const folder = mkdtempSync(join(tmpdir(), 'vattention-gpu-'))
  const log = join(folder, 'log.jsonl')
  const file = join(folder, 'job.json')
  writeFileSync(file, JSON.stringify({ ...job, log }))
  const [program, ...args] = [...wrapper, process.execPath, '--expose-gc', worker, file]
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  const keep = (data) => (output = (output + data).slice(-keptCharacters))
  child.stdout.on('data', keep)
  child.stderr.on('data', keep)
  let ended
  const done = new Promise((resolve) => {
    child.on('error', (error) => resolve({ error: String(error) }))
    child.on('close', (code, signal) => resolve({ code, signal }))
  }).then((result) => (ended = result))

  const events = []
  const read = () => {
    if (!existsSync(log)) return
    // The last line may be half written.
    const lines = readFileSync(log, 'utf8').split('\n').slice(0, -1)
    for (const line of lines.slice(events.length)) {
      const event = JSON.parse(line)
      events.push(event)
      onEvent(event)
    }
  }
  let seen = 0
  let since = Date.now()
  let allowedMs = Math.max(startMs, timeoutMs)
  let timedOut = false
  while (ended === undefined) {
    await Promise.race([done, setTimeout(lookEvery)])
    read()
    if (events.length > seen) {
      seen = events.length
      since = Date.now()
      if (events.at(-1).type === 'start') allowedMs = timeoutMs
    }
    if (ended === undefined && Date.now() - since > allowedMs) {
      timedOut = true
      child.kill('SIGKILL')
      await done
    }
  }
  read()
  rmSync(folder, { recursive: true })
  return {
    events,
    end: timedOut ? `took longer than ${allowedMs / 1000} s` : endOf(ended),
    output,
    timedOut,
  }
}

function endOf({ error, code, signal }) {
  if (error) return error
  if (signal) return `ended by ${signal}`
  return code === 0 ? undefined : `ended with status ${code}`
}

const indented = (text) => text.trim().replaceAll(/^/gm, '  ')

/** What a worker said besides its events. */
const withOutput = (message, output) =>
  output.trim() === '' ? message : `${message}\nThe process said:\n${indented(output)}`

/**
 * Runs cases of one suite; a worker that ends early is replaced by one that goes on behind the case
 * that ended it.
 *
 * @param {{ module: string, suite: number, cases: number[] }} what
 * @param {object} options As of `runWorker`, and:
 * @param {(result: object) => void} options.onResult Called with what became of each case.
 * @returns {Promise<{ failure?: string, memory: object[] }>} `failure`: what went wrong outside of
 * cases; `memory` of each worker: used device memory before, after, and of what was used first
 */
export async function runSuite({ module, suite, cases }, { onResult, ...options }) {
  const memory = []
  const start = (indexes, report) => {
    // Under another program that uses the device, memory in use says nothing.
    const measure = options.wrapper === undefined
    const job = { task: 'run', module, suite, cases: indexes, measure }
    const onEvent = (event) => {
      if (event.type === 'result' && event.status !== 'failed') report(event)
    }
    return runWorker(job, { ...options, onEvent })
  }
  for (let left = cases; left.length > 0;) {
    const { events, end, output, timedOut } = await start(left, onResult)
    const ready = events.find(({ type }) => type === 'ready')
    const last = events.find(({ type }) => type === 'end')
    const started = events.findLast(({ type }) => type === 'start')
    const result = events.findLast(({ type }) => type === 'result')
    if (ready && last) {
      const { usedBytes, firstUseBytes } = last
      memory.push({ beforeBytes: ready.usedBytes, afterBytes: usedBytes, firstUseBytes })
    }
    if (!started)
      return { failure: withOutput(`The suite ${end ?? 'did nothing'}`, output), memory }

    const { index } = started
    const broke = started.index !== result?.index
    const failed = broke || result.status === 'failed'
    const position = left.indexOf(index)
    if (!failed) {
      if (end === undefined) return { memory }
      return { failure: withOutput(`After its last case the process ${end}`, output), memory }
    }
    let message = withOutput(broke ? `The process ${end ?? 'ended'}` : result.message, output)
    // The case may have found what the one before it did to the device.
    if (position > 0 && !timedOut) {
      const alone = await start([index], () => undefined)
      const again = alone.events.findLast(({ type }) => type === 'result')
      if (again?.status === 'passed') message += `\nAlone in a new process it passes.`
    }
    onResult({
      index,
      status: 'failed',
      message,
      milliseconds: broke ? undefined : result.milliseconds,
    })
    left = left.slice(position + 1)
  }
  return { memory }
}
