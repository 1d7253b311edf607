/** The model that is served: a GGUF file's, or random weights. */
import { existsSync } from 'node:fs'
import {
  describeModel,
  loadModel,
  modelShapes,
  randomModel,
  type LoadedModel,
  type ModelShapeName,
} from '@vattention/engine'

import { modelFile } from '../../../scripts/artifacts.mjs'
import { loadWeights, type Weights } from './own-runner/weights.ts'

/** Which model. */
export interface ModelFlags {
  /** A GGUF file. */
  readonly model?: string
  /** A shape for random weights. */
  readonly shape?: string
}

/** A model in memory, once for the engine's own runner and, where asked for, once for ours. */
export interface ServedModel extends Disposable {
  readonly loaded: LoadedModel
  /** The weights as arrays, read on first use. Absent for random weights, which have no file. */
  readonly weights?: () => Weights
}

const fallbackShape: ModelShapeName = 'smollm2-135m'

/**
 * Opens the model that the flags name, else the demo's, else one with random weights.
 *
 * Weights are float32: every combination then computes with the same numbers in the same precision,
 * and what is left between backends is the order of their sums.
 */
export async function openModel(flags: ModelFlags): Promise<ServedModel> {
  const path = flags.model ?? (flags.shape === undefined ? demoModel() : undefined)
  if (path === undefined) {
    const shape = (flags.shape ?? fallbackShape) as ModelShapeName
    if (!Object.hasOwn(modelShapes, shape)) {
      const known = Object.keys(modelShapes).join(', ')
      throw new TypeError(`--shape: one of ${known} expected, found ${shape}`)
    }
    const loaded = await randomModel({ shape, weights: 'float32' })
    return { loaded, [Symbol.dispose]: () => loaded.dispose() }
  }
  const description = await describeModel(path)
  const loaded = await loadModel(description, { weights: 'float32' })
  let weights: Weights | undefined
  return {
    loaded,
    weights: () => (weights ??= loadWeights(description)),
    [Symbol.dispose]: () => loaded.dispose(),
  }
}

/** The demo's model, if `npm run demo` has fetched it. */
function demoModel(): string | undefined {
  const path = modelFile()
  return existsSync(path) ? path : undefined
}
