// From a fresh clone to a tree that builds: prerequisites, npm packages, artifacts. Each step does
// nothing when its result is there already. `npm run demo` and `npm test` begin with it.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

import { artifactFolder } from './artifacts.mjs'
import { ensureArtifact, execute } from './fetch.mjs'
import { checkPrerequisites } from './prerequisites.mjs'
import { BootstrapError, runMain, say, withProgress } from './progress.mjs'

export const root = fileURLToPath(new URL('..', import.meta.url))

/** Whether node_modules holds what package-lock.json says. */
function packagesAreFresh(folder) {
  const lock = join(folder, 'package-lock.json')
  const installed = join(folder, 'node_modules/.package-lock.json') // npm writes it last
  if (!existsSync(installed)) return false
  if (statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return true
  const stamp = join(folder, 'node_modules/.vattention-lock')
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === lockHash(folder)
}

function lockHash(folder) {
  return createHash('sha256')
    .update(readFileSync(join(folder, 'package-lock.json')))
    .digest('hex')
}

/** The npm that runs us, else the one on PATH. */
function npmCommand(env) {
  const { npm_execpath: npm } = env
  return npm && /\.c?js$/.test(npm) ? [process.execPath, npm] : ['npm']
}

const unreachable = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ENOTCACHED/

/** Installs the pinned npm packages when they are missing or stale. No install script runs. */
export async function ensurePackages({ env = process.env, folder = root } = {}) {
  if (packagesAreFresh(folder)) return
  say('Installing npm packages (about half a minute)')
  const started = Date.now()
  const [command, ...first] = npmCommand(env)
  const npm = (...args) => execute(command, [...first, ...args, '--loglevel=error'], env)

  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', folder]
  // Without a network npm tries every single package for a minute. One question finds out first, and
  // then only npm's own cache can help.
  const ping = await npm('ping', '--fetch-retries=0')
  if (ping.status !== 0 && unreachable.test(ping.text)) args.push('--offline')
  const { status, text } = await withProgress(
    () => `npm ci, ${Math.round((Date.now() - started) / 1000)} s`,
    npm(...args),
  )
  if (status !== 0) {
    if (args.includes('--offline') || unreachable.test(text)) {
      throw new BootstrapError(
        'The npm packages could not be fetched: the npm registry cannot be reached.\n' +
          'Connect to the network (behind a proxy: npm config set proxy ...) and run the same command again.',
      )
    }
    throw new BootstrapError(`npm ci failed:\n${text.trim().split('\n').slice(-15).join('\n')}`)
  }
  writeFileSync(join(folder, 'node_modules/.vattention-lock'), lockHash(folder))
}

/** Whether `program` is on PATH. */
function onPath(program, env) {
  return (env.PATH ?? '')
    .split(delimiter)
    .some((folder) => folder && existsSync(join(folder, program)))
}

/**
 * The environment of native builds: where the artifacts are, and a PATH with Ninja. Fetches what is
 * missing of them.
 */
export async function nativeEnvironment(env = process.env) {
  await ensureArtifact('highway', { env })
  await ensureArtifact('onednn', { env })
  const result = {
    ...env,
    VATTENTION_HIGHWAY_DIR: artifactFolder('highway', env),
    VATTENTION_ONEDNN_DIR: artifactFolder('onednn', env),
  }
  if (!onPath('ninja', env)) {
    result.PATH = `${await ensureArtifact('ninja', { env })}${delimiter}${env.PATH ?? ''}`
  }
  return result
}

/**
 * Everything a fresh clone lacks.
 *
 * @param {{ artifacts?: string[], env?: NodeJS.ProcessEnv }} options `artifacts`: what is wanted
 *   besides the native build's own. Default none.
 * @returns {Promise<NodeJS.ProcessEnv>} The environment to build and run with.
 */
export async function bootstrap({ artifacts = [], env = process.env } = {}) {
  checkPrerequisites({ env })
  await ensurePackages({ env })
  const result = await nativeEnvironment(env)
  for (const name of artifacts) await ensureArtifact(name, { env })
  return result
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await runMain(async () => {
    await bootstrap({ artifacts: ['model', 'clangFormat', 'ccache'] })
    say('Ready: everything a build needs is here.')
  })
}
