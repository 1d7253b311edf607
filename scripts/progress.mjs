// What the scripts say while they work. On stderr, so that stdout stays the program's own.

/** An error for people: the message alone says what is wrong and what to do. */
export class BootstrapError extends Error {
  name = 'BootstrapError'
}

export function say(text) {
  process.stderr.write(`${text}\n`)
}

export function mebibytes(bytes) {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`
}

/**
 * Repeats `describe()` while `work` runs: in place on a terminal, else one line every five seconds.
 *
 * @template T
 * @param {() => string} describe
 * @param {Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withProgress(describe, work) {
  const { isTTY } = process.stderr
  const show = () => process.stderr.write(isTTY ? `\r\x1b[2K  ${describe()}` : `  ${describe()}\n`)
  const timer = setInterval(show, isTTY ? 200 : 5000)
  try {
    return await work
  } finally {
    clearInterval(timer)
    if (isTTY) process.stderr.write('\r\x1b[2K')
  }
}

/**
 * Runs `main` as a program: a BootstrapError is one message, anything else keeps its stack. The exit
 * code is what `main` returns, else the error's own (`exitCode`), else 1.
 */
export async function runMain(main) {
  try {
    process.exitCode = (await main()) ?? 0
  } catch (error) {
    say(error instanceof BootstrapError ? `\n${error.message}` : String(error?.stack ?? error))
    process.exitCode = error?.exitCode ?? 1
  }
}
