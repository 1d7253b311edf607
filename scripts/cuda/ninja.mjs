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
 * Reads what Ninja prints with NINJA_STATUS="[%f/%t] ", where a step's line comes first and then what
 * its command printed.
 *
 * @param {AsyncIterable<string>} lines
 * @returns {AsyncGenerator<Step>} The last one has the name '' when Ninja itself had something to say.
 */
export async function* readSteps(lines) {
  let step
  for await (const line of lines) {
    const [, finished, total, description] = /^\[(\d+)\/(\d+)\] (.*)$/.exec(line) ?? []
    if (description !== undefined) {
      if (step) yield step
      const name = stepName(description)
      step = { finished: Number(finished), total: Number(total), name, failed: false, text: '' }
    } else if (line.startsWith('FAILED: ') && step) {
      step.failed = true
    } else if (/^ninja: (build stopped|no work to do|Entering directory)/.test(line)) {
      continue
    } else if (/^ninja: /.test(line)) {
      if (step) yield step
      step = { finished: 0, total: 0, name: '', failed: true, text: `${line}\n` }
    } else if (step) {
      step.text += `${line}\n`
    }
  }
  if (step) yield step
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
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = new Promise((resolve) => {
    child.on('error', (error) => resolve({ error }))
    child.on('close', (status, signal) => resolve({ status, signal }))
  })
  child.stderr.on('data', (data) => process.stderr.write(data))
  // Ninja gets an interrupt of the terminal, too, and removes what is half written.
  const interrupted = () => say('Stopping. What is finished is kept; the same command goes on.')
  process.once('SIGINT', interrupted)

  const failures = []
  const { isTTY } = process.stderr
  let last = ''
  const elapsed = () => duration((Date.now() - started) / 1000)
  const show = () => process.stderr.write(`\r\x1b[2K  ${last}compiling, ${elapsed()}`)
  const timer = isTTY ? setInterval(show, 1000) : undefined
  try {
    for await (const step of readSteps(createInterface({ input: child.stdout }))) {
      const counts = step.total > 0 ? `[${step.finished}/${step.total}] ` : ''
      last = counts
      if (isTTY) process.stderr.write('\r\x1b[2K')
      if (step.failed) {
        const log = join(logs, `${step.name.replace(/[^\w.-]+/g, '-') || 'ninja'}.log`)
        writeFileSync(log, step.text)
        failures.push({ ...step, log })
        say(`${counts}FAILED ${step.name}`)
      } else if (step.finished > 0 || step.text) {
        say(`${counts}${step.name} (${elapsed()})`)
        if (step.text) say(step.text.trimEnd())
      }
    }
  } finally {
    clearInterval(timer)
    process.removeListener('SIGINT', interrupted)
    if (isTTY) process.stderr.write('\r\x1b[2K')
  }
  const { status, signal, error } = await ended
  if (error) throw new BootstrapError(`Ninja could not be started: ${error.message}`)
  if (failures.length > 0) throw new BootstrapError(failureText(failures))
  if (status !== 0) {
    throw new BootstrapError(
      `The build was stopped (${signal ?? `exit code ${status}`}). What is finished is kept; the same command goes on from there.`,
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
