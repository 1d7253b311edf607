/** A model's weights as JavaScript's arrays. */
import { closeSync, openSync, readSync } from 'node:fs'
import {
  storageTypes,
  type ModelDescription,
  type WeightRole,
  type WeightSource,
} from '@vattention/engine'

import { decode } from './storage.ts'

const outerRoles = ['embedding', 'outputNorm', 'output'] as const
const layerRoles = [
  'attentionNorm',
  'query',
  'key',
  'value',
  'attentionOutput',
  'feedForwardNorm',
  'gate',
  'up',
  'down',
] as const

/** Matrices are `[outputs, inputs]`, row-major. */
export interface Weights extends Readonly<Record<(typeof outerRoles)[number], Float32Array>> {
  readonly layers: readonly LayerWeights[]
}

/** Those of one layer. */
export type LayerWeights = Readonly<Record<(typeof layerRoles)[number], Float32Array>>

/**
 * Reads the weights of a plain Llama: no biases, no norms of queries and keys.
 * @throws Error naming what the file has and this runner does not know.
 */
export function loadWeights({ path, config, tensors, ropeFactors }: ModelDescription): Weights {
  const known = new Set<WeightRole>([...outerRoles, ...layerRoles])
  const foreign = new Set(tensors.map(({ role }) => role).filter((role) => !known.has(role)))
  if (ropeFactors) foreign.add('ropeFactors')
  if (foreign.size > 0) {
    throw new Error(
      `${path} has ${[...foreign].join(', ')}: this example's runner knows no such tensors`,
    )
  }
  const find = (role: WeightRole, layer = -1): Float32Array => {
    const source = tensors.find((tensor) => tensor.role === role && tensor.layer === layer)
    if (!source) throw new Error(`${path} lacks ${role} of layer ${layer}`)
    return readTensor(source)
  }
  const embedding = find('embedding')
  return {
    embedding,
    outputNorm: find('outputNorm'),
    output: config.tiedEmbeddings ? embedding : find('output'),
    layers: Array.from(
      { length: config.layers },
      (_, layer) =>
        Object.fromEntries(layerRoles.map((role) => [role, find(role, layer)])) as LayerWeights,
    ),
  }
}

function readTensor({ path, offset, type, shape }: WeightSource): Float32Array {
  const elements = shape.reduce((product, size) => product * size, 1)
  const { elements: perGroup, bytes: groupBytes } = storageTypes[type]
  const bytes = new Uint8Array((elements / perGroup) * groupBytes)
  const file = openSync(path, 'r')
  try {
    const found = readSync(file, bytes, 0, bytes.length, offset)
    if (found < bytes.length) throw new Error(`${path} ends inside a tensor`)
  } finally {
    closeSync(file)
  }
  return decode(type, bytes, elements)
}
