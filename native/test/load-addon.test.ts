import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

import { errors, VattentionError } from '@vattention/interface'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { loadAddon } from '../node/load-addon.ts'

const core = fileURLToPath(new URL('../../packages/core/', import.meta.url))
const { version } = JSON.parse(readFileSync(join(core, 'package.json'), 'utf8')) as {
  version: string
}
const platformPackage = `@vattention/core-${process.platform}-${process.arch}`

describe('loadAddon', () => {
  let folder: string // a package @vattention/core as npm would install it, with nothing in it yet
  let from: string

  beforeEach(() => {
    folder = join(mkdtempSync(join(tmpdir(), 'vattention-load-')), 'core')
    writePackage(folder, '@vattention/core', version)
    from = pathToFileURL(join(folder, 'dist/index.js')).href
  })
  afterEach(() => rmSync(dirname(folder), { recursive: true }))

  function writePackage(at: string, name: string, itsVersion: string) {
    mkdirSync(at, { recursive: true })
    writeFileSync(join(at, 'package.json'), JSON.stringify({ name, version: itsVersion }))
  }
  const installPlatformPackage = () => {
    const at = join(folder, 'node_modules', platformPackage)
    writePackage(at, platformPackage, version)
    return at
  }
  const load = () =>
    loadAddon<{ version: string }>({
      name: '@vattention/core',
      from,
      createError: errors.nativeLoad,
    })
  const failure = () => {
    try {
      load()
    } catch (error) {
      return error as VattentionError
    }
    throw new Error('the addon loaded')
  }

  it('loads the addon of the package itself first', () => {
    cpSync(join(core, 'addon.node'), join(folder, 'addon.node'))
    expect(load().version).toBe(version)
  })

  it('loads the platform package when the package has none', () => {
    const at = installPlatformPackage()
    cpSync(join(core, 'addon.node'), join(at, 'addon.node'))
    expect(load().version).toBe(version)
  })

  it('goes on to the platform package when the own addon is broken', () => {
    writeFileSync(join(folder, 'addon.node'), 'not an addon')
    const at = installPlatformPackage()
    cpSync(join(core, 'addon.node'), join(at, 'addon.node'))
    expect(load().version).toBe(version)
  })

  it('throws one error with every attempt when nothing is there', () => {
    const error = failure()
    expect(error).toBeInstanceOf(VattentionError)
    expect(error.code).toBe('ERR_VATTENTION_NATIVE_LOAD')
    expect(error.message).toContain(`${join(folder, 'addon.node')}: no such file`)
    expect(error.message).toContain(`${platformPackage}: not installed`)
    expect(error.message).toContain(`Install ${platformPackage}@${version}`)
  })

  it('tells why a file that is there does not load', () => {
    writeFileSync(join(folder, 'addon.node'), 'not an addon')
    writeFileSync(join(installPlatformPackage(), 'addon.node'), '')
    const { message } = failure()
    expect(message).toMatch(/addon\.node: .*(file too short|invalid ELF header)/)
    expect(message.match(/\n {2}- /g)).toHaveLength(2)
  })

  it('refuses an addon that was built for another version', () => {
    writePackage(folder, '@vattention/core', '99.0.0')
    cpSync(join(core, 'addon.node'), join(folder, 'addon.node'))
    expect(failure().message).toContain(`was built for version ${version}, this package is 99.0.0`)
  })
})
