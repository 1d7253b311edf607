// The few things that must be on the machine already. All that is missing is told at once.
import { spawnSync } from 'node:child_process'

import { BootstrapError } from './progress.mjs'

// Syntax check only: what our sources use of C++20.
const probe = `#include <concepts>
#include <span>
#include <version>
template <std::integral T> struct Pair { T a, b; auto operator<=>(const Pair&) const = default; };
int main() { Pair<int> p{.a = 1, .b = 2}; return std::span(&p, 1).size() == 1 && p == p ? 0 : 1; }
`

/** Runs a program; undefined when it is not there or fails, else what it printed. */
function output(command, args, input) {
  const { status, stdout } = spawnSync(command, args, {
    encoding: 'utf8',
    input,
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  return status === 0 ? stdout : undefined
}

function atLeast(text, wanted) {
  const found = /(\d+)\.(\d+)/.exec(text)
  if (!found) return false
  const [major, minor] = [Number(found[1]), Number(found[2])]
  return major > wanted[0] || (major === wanted[0] && minor >= wanted[1])
}

/**
 * What this machine lacks: one line each, with the remedy. Empty when nothing is missing.
 *
 * @param {{
 *   nodeVersion?: string,
 *   env?: NodeJS.ProcessEnv,
 *   run?: (command: string, args: string[], input?: string) => string | undefined,
 * }} options `run` answers what a program printed, or undefined; default: runs it.
 */
export function missingPrerequisites({
  nodeVersion = process.versions.node,
  env = process.env,
  run = output,
} = {}) {
  const missing = []
  if (!atLeast(nodeVersion, [20, 19])) {
    missing.push(`Node >= 20.19: found ${nodeVersion}. Install a current LTS release of Node.js.`)
  }

  const python = run('python3', ['--version'])
  if (python === undefined || !atLeast(python, [3, 8])) {
    const found = python === undefined ? 'not found' : `found ${python.trim()}`
    missing.push(
      `Python >= 3.8 as python3: ${found}. Debian/Ubuntu: apt install python3; Fedora: dnf install python3.`,
    )
  }
  if (python !== undefined && run('python3', ['-m', 'pip', '--version']) === undefined) {
    missing.push(
      'pip for python3: not found. Debian/Ubuntu: apt install python3-pip; elsewhere: python3 -m ensurepip.',
    )
  }

  const cmake = run('cmake', ['--version'])
  if (cmake === undefined || !atLeast(cmake, [3, 24])) {
    const found = cmake === undefined ? 'not found' : `found ${cmake.split('\n')[0].trim()}`
    missing.push(
      `CMake >= 3.24: ${found}. Debian/Ubuntu: apt install cmake; when that is older: python3 -m pip install cmake.`,
    )
  }

  const compiler = env.CXX || 'c++'
  if (run(compiler, ['--version']) === undefined) {
    missing.push(
      `A C++20 compiler: ${compiler} not found. Debian/Ubuntu: apt install g++; or set CXX to one (GCC >= 11, Clang >= 14).`,
    )
  } else if (
    run(compiler, ['-std=c++20', '-fsyntax-only', '-x', 'c++', '-'], probe) === undefined
  ) {
    missing.push(
      `A C++20 compiler: ${compiler} does not compile C++20. Set CXX to GCC >= 11 or Clang >= 14.`,
    )
  }
  return missing
}

/** Throws one BootstrapError that names everything missing. */
export function checkPrerequisites(options) {
  const missing = missingPrerequisites(options)
  if (missing.length === 0) return
  throw new BootstrapError(
    `This machine lacks what the build needs:\n${missing.map((line) => `  - ${line}\n`).join('')}` +
      'Install the above and run the same command again.',
  )
}
