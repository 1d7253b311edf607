import {
  mkdirSync,
  mkdtempSync,
  existsSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { ensurePackages } from '../bootstrap.mjs'

describe('installing npm packages', () => {
  let folder
  let log

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'vattention-packages-'))
    log = join(folder, 'npm.log')
    writeFileSync(join(folder, 'package-lock.json'), '{ "lockfileVersion": 3 }')
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  // Stands for npm: notes its arguments, then does what `ping` or `body` say.
  function npm(body, ping = '') {
    const file = join(folder, 'npm.cjs')
    writeFileSync(
      file,
      `const fs = require('node:fs'); const folder = ${JSON.stringify(folder)};
       fs.appendFileSync(${JSON.stringify(log)}, process.argv.slice(2).join(' ') + '\\n');
       if (process.argv[2] === 'ping') { ${ping} } else { ${body} }`,
    )
    return { folder, env: { ...process.env, npm_execpath: file } }
  }
  const installs = () =>
    readFileSync(log, 'utf8')
      .split('\n')
      .filter((call) => call.startsWith('ci '))
  const install = `fs.mkdirSync(folder + '/node_modules', { recursive: true });
    fs.writeFileSync(folder + '/node_modules/.package-lock.json', '{}');`

  it('runs npm ci without install scripts, once', async () => {
    const options = npm(install)
    await ensurePackages(options)
    await ensurePackages(options)
    expect(installs()).toEqual([expect.stringMatching(/^ci --ignore-scripts /)])
  })

  it('installs again when the lock file has changed since', async () => {
    const options = npm(install)
    await ensurePackages(options)
    writeFileSync(join(folder, 'package-lock.json'), '{ "lockfileVersion": 3, "packages": {} }')
    const later = new Date(Date.now() + 60_000)
    utimesSync(join(folder, 'package-lock.json'), later, later)
    await ensurePackages(options)
    expect(installs()).toHaveLength(2)
  })

  it('installs again when an install was interrupted', async () => {
    mkdirSync(join(folder, 'node_modules/half'), { recursive: true })
    await ensurePackages(npm(install))
    expect(existsSync(join(folder, 'node_modules/.package-lock.json'))).toBe(true)
  })

  it('says in one message that the registry cannot be reached', async () => {
    const fail = (code) => `console.error('npm error code ${code}'); process.exit(1)`
    const options = npm(fail('ENOTCACHED'), fail('EAI_AGAIN'))
    await expect(ensurePackages(options)).rejects.toThrow(
      /npm registry cannot be reached\.\nConnect to the network/,
    )
  })

  it("installs from npm's cache when that is all there is", async () => {
    await ensurePackages(npm(install, `console.error('npm error code ENOTFOUND'); process.exit(1)`))
    expect(installs()).toEqual([expect.stringContaining(' --offline ')])
  })

  it('a registry that does not answer the question is used all the same', async () => {
    await ensurePackages(npm(install, `console.error('npm error code E404'); process.exit(1)`))
    expect(installs()).toEqual([expect.not.stringContaining('--offline')])
  })

  it('shows what npm said when it fails otherwise', async () => {
    const options = npm(`console.error('npm error code EUSAGE'); process.exit(1)`)
    await expect(ensurePackages(options)).rejects.toThrow(/npm ci failed:\nnpm error code EUSAGE/)
  })
})
