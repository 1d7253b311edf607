/**
 * Loads a package's native addon. Bundled into each package that has one.
 *
 * Two places are tried: `addon.node` in the package's own folder (a build in this repository), then
 * in the platform package `<package>-<platform>-<arch>` that npm installed. Nothing is swallowed: when
 * neither loads, one error has every attempt with its reason.
 */
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** A place that was tried, and why it did not do. */
export interface LoadAttempt {
  /** A file or a package. */
  readonly from: string
  readonly reason: string
}

/** What is loaded, and what the caller makes of a failure. */
export interface LoadAddonOptions {
  /** The package the addon belongs to: `@vattention/core`. */
  readonly name: string
  /** `import.meta.url` of any module of that package, bundled or not. */
  readonly from: string
  /** The addon's file. Defaults to `addon.node`. */
  readonly file?: string
  /** What builds it in a clone of the repository. Defaults to `npm run build`. */
  readonly build?: string
  /** Makes the error that is thrown when no attempt succeeds: `errors.nativeLoad`. */
  readonly createError: (what: string, attempts: readonly LoadAttempt[], advice: string) => Error
}

/** What every addon of ours exports (native/node/identity.h). */
interface Identity {
  /** Version of the package it was built for. */
  readonly version?: string
}

/** The package.json of `name` in the folder of `url` or above. */
function findPackage(name: string, url: string): { folder: string; version: string } {
  let folder = dirname(fileURLToPath(url))
  for (;;) {
    const file = join(folder, 'package.json')
    if (existsSync(file)) {
      const manifest = JSON.parse(readFileSync(file, 'utf8')) as { name: string; version: string }
      if (manifest.name === name) return { folder, version: manifest.version }
    }
    const parent = dirname(folder)
    if (parent === folder) throw new Error(`${url} is not inside the package ${name}`)
    folder = parent
  }
}

/** The first line of a message: Node appends the stack of requires to some. */
const firstLine = (error: unknown) =>
  (error instanceof Error ? error.message : String(error)).split('\n')[0]!

/**
 * Loads the addon of `options.name`.
 *
 * @typeParam Addon What the addon exports; the caller describes it.
 * @throws What `createError` makes, when no place has an addon that loads and has this version.
 */
export function loadAddon<Addon extends object>({
  name,
  from,
  file: addonFile = 'addon.node',
  build = 'npm run build',
  createError,
}: LoadAddonOptions): Addon {
  const require = createRequire(from)
  const { folder, version } = findPackage(name, from)
  const attempts: LoadAttempt[] = []

  const load = (place: string, file: string): Addon | undefined => {
    try {
      const addon = require(file) as Addon & Identity
      if (addon.version === version) return addon
      attempts.push({
        from: place,
        reason: `was built for version ${addon.version ?? '(none)'}, this package is ${version}`,
      })
    } catch (error) {
      attempts.push({ from: place, reason: firstLine(error) })
    }
    return undefined
  }

  const local = join(folder, addonFile)
  if (existsSync(local)) {
    const addon = load(local, local)
    if (addon) return addon
  } else {
    attempts.push({ from: local, reason: 'no such file' })
  }

  const platform = `${process.platform}-${process.arch}`
  const platformPackage = `${name}-${platform}`
  let file: string | undefined
  try {
    file = require.resolve(`${platformPackage}/${addonFile}`)
  } catch {
    attempts.push({ from: platformPackage, reason: `not installed, or without its ${addonFile}` })
  }
  const addon = file === undefined ? undefined : load(platformPackage, file)
  if (addon) return addon

  throw createError(
    name,
    attempts,
    `Install ${platformPackage}@${version} (npm leaves it out with --omit=optional and on platforms ` +
      `without a prebuilt addon; Linux x64 with glibc has one), or build it in a clone of the ` +
      `repository: ${build}.`,
  )
}
