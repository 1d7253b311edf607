// The native tests that use a GPU, as a suite: each executable is a case.
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'

/** Names of the executables in `folder`, from the list that was staged with them. */
export function nativeTests(folder) {
  const list = join(folder, 'gpu-tests.txt')
  if (!existsSync(list)) return []
  return readFileSync(list, 'utf8').split('\n').filter(Boolean)
}

/**
 * Runs one executable on the GPU.
 *
 * @returns {Promise<object>} a result as a worker tells it, without `index`
 */
export async function runNative(file, { timeoutMs, wrapper = [], env = {} }) {
  const [program, ...args] = [...wrapper, file]
  const started = performance.now()
  const child = spawn(program, args, {
    env: { ...process.env, VATTENTION_TEST_DEVICE: 'cuda', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  const keep = (data) => (output = (output + data).slice(-16384))
  child.stdout.on('data', keep)
  child.stderr.on('data', keep)
  const timer = new AbortController()
  const end = await Promise.race([
    new Promise((resolve) => {
      child.on('error', (error) => resolve(String(error)))
      child.on('close', (code, signal) => resolve(signal ? `ended by ${signal}` : code))
    }),
    setTimeout(timeoutMs, `took longer than ${timeoutMs / 1000} s`, { signal: timer.signal }).catch(
      () => undefined,
    ),
  ])
  timer.abort()
  child.kill('SIGKILL')
  const milliseconds = performance.now() - started
  const summary = /(\d+) passed, 0 failed/.exec(output)
  if (end === 0 && summary) return { status: 'passed', milliseconds, message: summary[0] }
  return {
    status: 'failed',
    milliseconds,
    message: `${typeof end === 'number' ? `ended with status ${end}` : end}\n${output.trim()}`,
  }
}
