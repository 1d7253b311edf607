// Runs Ninja and tells what it does in our words: one line for each finished file, and for a failed one
// its name and its log.
import { spawn } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { createInterface } from 'node:readline'

import { BootstrapError, say } from '../progress.mjs'

/**
 * One finished step of a build.
 *
 * @typedef {object} Step
 * @property {number} finished How many are.
 * @property {number} total
 * @property {string} name What it made, for people.
 * @property {boolean} failed
 * @property {string} text All that it printed; of a failed one the command, too.
 */

/** 'Building CUDA object native/attention/x/CMakeFiles/y.dir/z.cu.o' becomes 'x: z.cu'. */
function stepName(description) {
  const [, object] = /^Building \w+ object (\S+)\.o$/.exec(description) ?? []
  if (!object) return description
  const library = basename(object.split('/CMakeFiles/')[0])
  return `${library}: ${basename(object)}`
}

/**
 * Makes steps of what Ninja prints with NINJA_STATUS="[%f/%t] ": a step's line first, and then what its
 * command printed, both at once when it is finished.
 */
export class StepReader {
  #step
  #report

  /** @param {(step: Step) => void} report Called with each; the name is '' where Ninja itself failed. */
  constructor(report) {
    this.#report = report
  }

  /** Takes a line. */
  line(line) {
    const [, finished, total, description] = /^\[(\d+)\/(\d+)\] (.*)$/.exec(line) ?? []
    if (description !== undefined) {
      const name = stepName(description)
      this.#begin({ finished: Number(finished), total: Number(total), name, failed: false })
    } else if (line.startsWith('FAILED: ') && this.#step) {
      this.#step.failed = true
    } else if (/^ninja: (build stopped|no work to do|Entering directory)/.test(line)) {
      this.flush()
    } else if (/^ninja: /.test(line)) {
      this.#begin({ finished: 0, total: 0, name: '', failed: true })
      this.#step.text += `${line}\n`
    } else if (this.#step) {
      this.#step.text += `${line}\n`
    }
  }

  /** Reports the step whose lines came last: no more belong to it. */
  flush() {
    if (this.#step) this.#report(this.#step)
    this.#step = undefined
  }

  #begin(step) {
    this.flush()
    this.#step = { ...step, text: '' }
  }
}

/** What a failed compilation means, when it is not the source's fault. */
function diagnose(text) {
  if (/signal 9|Killed/.test(text)) {
    return (
      'The system ended the compiler, which happens when memory is short. Try again with --jobs 1, ' +
      'or on a machine with more memory: a file takes up to 6 GiB.'
    )
  }
  if (/No space left on device/.test(text)) {
    return 'The disk is full. Free some space and run the same command again.'
  }
  return undefined
}

/** Seconds, for people. */
export function duration(seconds) {
  const whole = Math.round(seconds)
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`
}

/** On a terminal a line that is always the last one and stays current; elsewhere nothing. */
function statusLine(describe) {
  const { isTTY } = process.stderr
  const show = () => process.stderr.write(`\r\x1b[2K  ${describe()}`)
  const clear = () => {
    if (isTTY) process.stderr.write('\r\x1b[2K')
  }
  const timer = isTTY ? setInterval(show, 1000) : undefined
  return {
    clear,
    stop() {
      clearInterval(timer)
      clear()
    },
  }
}

/**
 * Builds targets of a tree.
 *
 * @param {{ folder: string, targets: string[], jobs: number, env: NodeJS.ProcessEnv }} options
 * @throws {BootstrapError} naming what failed, its log and its first errors.
 */
export async function runNinja({ folder, targets, jobs, env }) {
  const logs = join(folder, 'logs')
  rmSync(logs, { recursive: true, force: true })
  mkdirSync(logs)
  const started = Date.now()
  const child = spawn('ninja', ['-C', folder, '-j', String(jobs), ...targets], {
    env: { ...env, NINJA_STATUS: '[%f/%t] ', TERM: 'dumb' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  // Ninja gets an interrupt of the terminal, too, and removes what is half written.
  const interrupted = () => say('Stopping. What is finished is kept; the same command goes on.')
  process.once('SIGINT', interrupted)

  const failures = []
  const elapsed = () => duration((Date.now() - started) / 1000)
  const status = statusLine(() => `compiling, ${elapsed()}`)
  const reader = new StepReader((step) => {
    status.clear()
    const counts = step.total > 0 ? `[${step.finished}/${step.total}] ` : ''
    if (step.failed) {
      const log = join(logs, `${step.name.replace(/[^\w.-]+/g, '-') || 'ninja'}.log`)
      writeFileSync(log, step.text)
      failures.push({ ...step, log })
      say(`${counts}FAILED ${step.name}`)
    } else if (step.finished > 0 || step.text) {
      say(`${counts}${step.name} (${elapsed()})`)
      if (step.text) say(step.text.trimEnd())
    }
  })
  let pause
  createInterface({ input: child.stdout }).on('line', (line) => {
    clearTimeout(pause)
    reader.line(line)
    pause = setTimeout(() => reader.flush(), 100)
  })
  const ended = await new Promise((resolve) => {
    child.on('error', (error) => resolve({ error }))
    child.on('close', (code, signal) => resolve({ code, signal }))
  })
  clearTimeout(pause)
  reader.flush()
  status.stop()
  process.removeListener('SIGINT', interrupted)

  const { code, signal, error } = ended
  if (error) throw new BootstrapError(`Ninja could not be started: ${error.message}`)
  if (failures.length > 0) throw new BootstrapError(failureText(failures))
  if (code !== 0) {
    throw new BootstrapError(
      `The build was stopped (${signal ?? `exit code ${code}`}). What is finished is kept; the same command goes on from there.`,
    )
  }
}

/** Says which files failed, where their logs are, and how each began to fail. */
function failureText(failures) {
  const parts = failures.map(({ name, text, log }) => {
    const errors = text
      .split('\n')
      .filter((line) => /\berror\b|fatal|undefined reference/i.test(line))
    const first = (errors.length > 0 ? errors : text.trim().split('\n').slice(-5)).slice(0, 5)
    const cause = diagnose(text)
    return [
      name ? `${name} failed. Its log: ${log}` : 'Ninja could not build:',
      ...first.map((line) => `  ${line.length > 300 ? `${line.slice(0, 300)}...` : line}`),
      ...(cause ? [cause] : []),
    ].join('\n')
  })
  return parts.join('\n\n')
}
