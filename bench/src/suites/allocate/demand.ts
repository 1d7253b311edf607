import { measureReadBandwidth, modelShapes } from '@vattention/engine'

import { datasheetOf } from '../../report/datasheet.ts'
import type { MeasuredCase } from '../../result/index.ts'
import { tokenBytes, type NamedShape, type SuiteContext } from '../../suite/index.ts'

/** Sequences of the decode whose growth is told. */
const decodeBatch = 64

/** Bytes of a weight. */
const weightBytes = 2

/**
 * How fast the KV cache of a model grows: tokens a second x bytes per token. Without a rate that was
 * given, what no implementation can pass: a decode step reads all weights once (and no keys or values),
 * prefill does two operations for each weight and token at the peak that the data sheet tells.
 *
 * @throws when neither a rate was given nor the model's weights and the machine's speed are known
 */
export async function demandOf(context: SuiteContext, shape: NamedShape): Promise<MeasuredCase[]> {
  const growth = (phase: string, basis: string, tokensPerSecond: number): MeasuredCase => ({
    name: `KV growth of ${shape.name}, ${phase}`,
    parameters: { part: 'demand', shape: shape.name, phase, basis },
    metrics: {
      growthGbPerSecond: (tokensPerSecond * tokenBytes(shape)) / 1e9,
      modelTokensPerSecond: tokensPerSecond,
      tokenBytes: tokenBytes(shape),
    },
  })
  const given = context.options.tokensPerSecond
  if (typeof given === 'number') return [growth('as given', 'given', given)]
  const weights = weightsOf(shape)
  const { device } = context
  const sheet = datasheetOf(device.info?.name)
  if (device.isGpu && sheet === undefined) {
    throw new Error(`the data sheet of ${device.name} is not known: give --tokens-per-second`)
  }
  const gigabytes = sheet?.memoryGbPerSecond ?? (await measureReadBandwidth({})) / 1e9
  const steps = (gigabytes * 1e9) / (weights * weightBytes)
  const basis = sheet ? 'memory of the data sheet' : 'measured read bandwidth'
  const found = [
    growth(`decode, ${decodeBatch} sequences`, `${basis}, weights alone`, steps * decodeBatch),
  ]
  if (sheet) {
    const tokensPerSecond = (sheet.matrixTflops * 1e12) / (2 * weights)
    found.push(growth('prefill', 'arithmetic of the data sheet', tokensPerSecond))
  }
  return found
}

/** Weights that every token passes: of the layers and the output, on one GPU. */
function weightsOf(shape: NamedShape): number {
  const [, name = '', gpus = '1'] = /^(.*?)(?:-tp(\d+))?$/.exec(shape.name)!
  const found = Object.entries(modelShapes).find(
    ([each]) => each.replace(/-200k$/, '') === name,
  )?.[1]
  if (found === undefined) {
    throw new Error(`the weights of ${shape.name} are not known: give --tokens-per-second`)
  }
  const { layers, hiddenSize, feedForwardSize, queryHeads, kvHeads, headDim, vocabularySize } =
    found.config
  const attention = 2 * hiddenSize * headDim * (queryHeads + kvHeads)
  const feedForward = 3 * hiddenSize * feedForwardSize
  return (layers * (attention + feedForward) + vocabularySize * hiddenSize) / Number(gpus)
}
