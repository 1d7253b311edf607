import { homedir } from 'node:os'
import { join } from 'node:path'

/**
 * Where downloads are kept, outside the tree, shared by all clones: `$VATTENTION_CACHE_DIR`, else
 * `$XDG_CACHE_HOME/vattention`, else `~/.cache/vattention`.
 */
export function cacheFolder(env = process.env) {
  if (env.VATTENTION_CACHE_DIR) return env.VATTENTION_CACHE_DIR
  return join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'vattention')
}
