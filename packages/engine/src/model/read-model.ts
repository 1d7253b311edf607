/** Describes a model wherever it lies. */
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'

import { engineErrors } from '../errors.ts'
import { readGguf } from './read-gguf.ts'
import { readHuggingFace } from './read-hugging-face.ts'
import type { ModelDescription } from './description.ts'

/**
 * Describes a model without loading its weights.
 *
 * @param path A GGUF file, a folder with one, or a folder with config.json, tokenizer.json and
 * safetensors files.
 * @throws `ERR_VATTENTION_MODEL_FILE` when there is no model, or its files are malformed.
 * @throws `ERR_VATTENTION_MODEL_UNSUPPORTED` or `ERR_VATTENTION_TOKENIZER_UNSUPPORTED` with every
 * reason.
 * @example
 * ```ts
 * const { architecture, config, parameters } = await describeModel('SmolLM2-135M-Instruct.Q4_1.gguf')
 * ```
 */
export async function describeModel(path: string): Promise<ModelDescription> {
  const found = await stat(path).catch((cause: unknown) => {
    throw engineErrors.modelFile(path, 'no such file or folder', { cause })
  })
  if (!found.isDirectory()) return readGguf(path)

  const names = await readdir(path)
  if (names.includes('config.json')) return readHuggingFace(path)
  const ggufs = names.filter((name) => name.endsWith('.gguf')).sort()
  const first = ggufs[0]
  if (first === undefined) {
    throw engineErrors.modelFile(path, 'has neither a config.json nor a .gguf file')
  }
  const shards = ggufs.every((name) => /-\d{5}-of-\d{5}\.gguf$/.test(name))
  if (ggufs.length > 1 && !shards) {
    throw engineErrors.modelFile(path, `has several models, name one: ${ggufs.join(', ')}`)
  }
  return readGguf(join(path, first))
}
