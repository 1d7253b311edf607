/** Brings a model's weights into memory. */
import {
  errors,
  nonNegativeInteger,
  callback,
  oneOf,
  optionReasons,
  type OptionRule,
} from '@vattention/interface'

import { callNative, callNativeAsync } from '../../../../native/node/native-error.ts'
import { engineAddon } from '../addon.ts'
import { engineErrors } from '../errors.ts'
import type { NativeModel, WeightSource } from '../native.ts'
import { countParameters, storedBytes, type ModelDescription } from './description.ts'
import { LoadedModel } from './loaded-model.ts'
import { describeModel } from './read-model.ts'
import { modelShapes, type ModelShapeName } from './shapes.ts'

/** How weights are kept in memory. */
export type WeightFormat = 'auto' | 'bfloat16' | 'float32'

/** How far loading has come. */
export interface LoadProgress {
  /** Bytes of tensors loaded, as stored in the file. */
  readonly loadedBytes: number
  readonly totalBytes: number
}

/** Options of `loadModel`. */
export interface LoadModelOptions {
  /**
   * How matrices are kept: `'bfloat16'`, `'float32'`, or `'auto'`, which takes bf16 where the CPU
   * multiplies it faster. Defaults to `'auto'`.
   */
  readonly weights?: WeightFormat
  /** Called as tensors arrive. */
  readonly onProgress?: (progress: LoadProgress) => void
  /** Stops loading; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal
}

/** Options of `randomModel`. */
export interface RandomModelOptions {
  /** A name of `modelShapes`. */
  readonly shape: ModelShapeName
  /** The same seed gives the same weights. Defaults to `0`. */
  readonly seed?: number
  /** As in `LoadModelOptions`. Defaults to `'auto'`. */
  readonly weights?: WeightFormat
}

const weightRule: OptionRule = oneOf('auto', 'bfloat16', 'float32')

const loadRules: Readonly<Record<keyof LoadModelOptions, OptionRule>> = {
  weights: weightRule,
  onProgress: callback,
  signal: { expected: 'an AbortSignal', check: (value) => value instanceof AbortSignal },
}

// Enough to overlap one tensor's reading with another's unpacking on every core; each holds a
// tensor's bytes twice.
const tensorsInFlight = 4

/**
 * Loads a model.
 *
 * @param model A path as for `describeModel`, or what that returned.
 * @throws What `describeModel` throws; `ERR_VATTENTION_MODEL_FILE` when tensors are missing or end
 * early; `ERR_VATTENTION_NATIVE_LOAD`.
 * @example
 * ```ts
 * using model = await loadModel('SmolLM2-135M-Instruct.Q4_1.gguf')
 * ```
 */
export async function loadModel(
  model: string | ModelDescription,
  options: LoadModelOptions = {},
): Promise<LoadedModel> {
  const reasons = optionReasons(options, loadRules)
  if (reasons.length > 0) throw errors.invalidOptions('A model', reasons)
  const { weights = 'auto', onProgress, signal } = options
  const description = typeof model === 'string' ? await describeModel(model) : model
  signal?.throwIfAborted()

  const native = callNative(() => engineAddon().createModel({ ...description.config, weights }))
  try {
    await loadTensors(native, description, onProgress, signal)
    if (description.ropeFactors) native.set('ropeFactors', -1, description.ropeFactors)
    const missing = callNative(() => native.finish())
    if (missing.length > 0) {
      throw engineErrors.modelFile(description.path, `lacks tensors: ${missing.join(', ')}`)
    }
    return new LoadedModel(description, native)
  } catch (error) {
    native.dispose()
    throw error
  }
}

/** Loads all tensors, some at a time. On a failure waits for those in flight before it throws. */
async function loadTensors(
  native: NativeModel,
  { tensors, weightBytes: totalBytes }: ModelDescription,
  onProgress: ((progress: LoadProgress) => void) | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  // In the file's order, so that reading stays sequential.
  const queue = [...tensors].sort((a, b) => a.path.localeCompare(b.path) || a.offset - b.offset)
  let loadedBytes = 0
  let failed = false
  onProgress?.({ loadedBytes, totalBytes })
  const load = async (source: WeightSource) => {
    await callNativeAsync(() => native.load(source))
    loadedBytes += storedBytes(source)
    onProgress?.({ loadedBytes, totalBytes })
  }
  const worker = async () => {
    for (let next = queue.shift(); next && !failed; next = queue.shift()) {
      try {
        signal?.throwIfAborted()
        await load(next)
      } catch (error) {
        failed = true
        throw error
      }
    }
  }
  const outcomes = await Promise.allSettled(Array.from({ length: tensorsInFlight }, worker))
  const rejected = outcomes.find((outcome) => outcome.status === 'rejected')
  if (rejected) throw rejected.reason
}

/**
 * A model of a published shape with random weights: the same work and memory, no download, and no
 * tokenizer.
 *
 * @throws `ERR_VATTENTION_INVALID_OPTIONS`, `ERR_VATTENTION_NATIVE_LOAD`.
 * @example
 * ```ts
 * using model = await randomModel({ shape: 'llama-3-8b' })
 * ```
 */
export async function randomModel(options: RandomModelOptions): Promise<LoadedModel> {
  const reasons = optionReasons(options, {
    shape: { ...oneOf(...Object.keys(modelShapes)), required: true },
    seed: nonNegativeInteger,
    weights: weightRule,
  })
  if (reasons.length > 0) throw errors.invalidOptions('A random model', reasons)
  const { shape, seed = 0, weights = 'auto' } = options
  const native = callNative(() =>
    engineAddon().createModel({ ...modelShapes[shape].config, weights }),
  )
  try {
    await callNativeAsync(() => native.fill(seed))
    const missing = callNative(() => native.finish())
    if (missing.length > 0) throw errors.internal(`fill() left out ${missing.join(', ')}`)
    return new LoadedModel(describeShape(shape), native)
  } catch (error) {
    native.dispose()
    throw error
  }
}

/** A shape as a model without files: what it would need, before any memory is taken. */
export function describeShape(name: ModelShapeName): ModelDescription {
  const { architecture, contextLength, config } = modelShapes[name]
  const parameters = countParameters(config)
  return {
    format: 'random',
    path: name,
    name: `${name} (random weights)`,
    architecture,
    config,
    contextLength,
    parameters,
    weightBytes: 0,
    storage: {},
    tensors: [],
  }
}
