import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { cacheFolder } from '../cache-folder.mjs'

/**
 * What makes ccache an object cache of all clones on this machine: keyed by the contents of sources
 * and headers, by flags, and by the compilers; not by where the clone is.
 *
 * @param {{
 *   env: NodeJS.ProcessEnv,
 *   root: string,
 *   compilers: string,
 * }} options `root`: of the clone. `compilers`: text that differs when the compilers do.
 * @returns {NodeJS.ProcessEnv} Variables to add to the environment of the build.
 */
export function objectCacheEnvironment({ env, root, compilers }) {
  const folder = join(cacheFolder(env), 'objects')
  return {
    CCACHE_DIR: folder,
    CCACHE_CONFIGPATH: join(folder, 'ccache.conf'), // not the user's
    CCACHE_MAXSIZE: env.CCACHE_MAXSIZE ?? '5G', // least recently used go first
    CCACHE_BASEDIR: root,
    CCACHE_NOHASHDIR: 'true',
    CCACHE_COMPILERCHECK: `string:${compilers}`,
    // Headers are those that the compiler lists. To preprocess each file first, as ccache does
    // otherwise, takes nvcc as long as a third of some of ours.
    CCACHE_DEPEND: 'true',
  }
}

/** Has ccache note in a file of this build what it did with each call. */
export function objectCacheLog(folder) {
  return { CCACHE_STATSLOG: join(folder, 'object-cache.log') }
}

/** How many calls the log tells of, and how many of them the cache answered. */
export function objectCacheHits(log) {
  const text = existsSync(log) ? readFileSync(log, 'utf8') : ''
  const count = (pattern) => (text.match(pattern) ?? []).length
  return { hits: count(/^(direct|preprocessed)_cache_hit$/gm), calls: count(/^# /gm) }
}
