import { describe, expect, it } from 'vitest'

import { checkPrerequisites, missingPrerequisites } from '../prerequisites.mjs'

const answers = {
  'python3 --version': 'Python 3.11.2\n',
  'python3 -m pip --version': 'pip 23.0.1\n',
  'cmake --version': 'cmake version 3.25.1\n\nCMake suite\n',
  'c++ --version': 'c++ (Debian 12.2.0)\n',
  'c++ -std=c++20 -fsyntax-only -x c++ -': '',
}
const machine = (changes = {}) => {
  const all = { ...answers, ...changes }
  return {
    nodeVersion: '20.19.0',
    env: {},
    run: (command, args) => all[[command, ...args].join(' ')],
  }
}

describe('prerequisites', () => {
  it('nothing is missing on a machine that has them', () => {
    expect(missingPrerequisites(machine())).toEqual([])
  })

  it('this machine has them', () => {
    expect(missingPrerequisites()).toEqual([])
  })

  it.each([
    ['python3 --version', undefined, /Python >= 3\.8 as python3: not found.*apt install python3/],
    ['python3 --version', 'Python 3.7.3\n', /Python >= 3\.8 as python3: found Python 3\.7\.3/],
    ['python3 -m pip --version', undefined, /pip for python3: not found.*python3-pip/],
    ['cmake --version', undefined, /CMake >= 3\.24: not found.*pip install cmake/],
    ['cmake --version', 'cmake version 3.22.1\n', /CMake >= 3\.24: found cmake version 3\.22\.1/],
    ['c++ --version', undefined, /C\+\+20 compiler: c\+\+ not found.*apt install g\+\+/],
    ['c++ -std=c++20 -fsyntax-only -x c++ -', undefined, /c\+\+ does not compile C\+\+20/],
  ])('%s answering %s is one line with its remedy', (command, answer, expected) => {
    const missing = missingPrerequisites(machine({ [command]: answer }))
    expect(missing).toHaveLength(1)
    expect(missing[0]).toMatch(expected)
  })

  it.each(['18.20.4', '20.18.3'])('Node %s is too old', (nodeVersion) => {
    const missing = missingPrerequisites({ ...machine(), nodeVersion })
    expect(missing).toEqual([expect.stringContaining(`Node >= 20.19: found ${nodeVersion}`)])
  })

  it('asks for the compiler that CXX names', () => {
    const missing = missingPrerequisites({ ...machine(), env: { CXX: 'clang++-14' } })
    expect(missing).toEqual([expect.stringContaining('clang++-14 not found')])
  })

  it('a bare machine is told everything in one error', () => {
    const bare = { ...machine(), run: () => undefined }
    expect(() => checkPrerequisites(bare)).toThrow(
      /lacks what the build needs:\n {2}- Python[^\n]*\n {2}- CMake[^\n]*\n {2}- A C\+\+20 compiler[^\n]*\nInstall the above/,
    )
  })
})
