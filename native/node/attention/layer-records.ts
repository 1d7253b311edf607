/**
 * One layer's tensors on their way into the addon. What no call changes is written once; a call
 * whose tensors fit writes addresses and strides. That is half the price of a call from JavaScript,
 * so this file is written for speed: tensors that do not fit are left to `checkRun`, which finds all
 * reasons.
 */
import {
  deviceIndex,
  deviceTypeCode,
  dtypeCode,
  errors,
  maxRank,
  sameDevice,
  type Device,
  type RunArguments,
  type RunExpectation,
  type Tensor,
} from '@vattention/interface'

import { tensorRecordLength, writeTensorRecord } from '../tensor-record.ts'

const names = ['query', 'key', 'value', 'output', 'lse'] as const
/** After the records. */
const layerIndex = names.length * tensorRecordLength

// Offsets within a record: see tensor-record.ts.
const dtypeOffset = 1
const deviceOffset = 2
const deviceIndexOffset = 3
const rankOffset = 4
const shapeOffset = 5
const strideOffset = shapeOffset + maxRank

/** A call's arguments; `append` has neither query nor output. */
export type LayerArguments = Omit<RunArguments, 'query' | 'output'> &
  Partial<Pick<RunArguments, 'query' | 'output'>>

/** The numbers that the addon reads. */
export class LayerRecords {
  readonly numbers = new Float64Array(layerIndex + 1)
  readonly #shapes: readonly (readonly number[])[]
  readonly #dtypes: readonly string[]
  readonly #layers: number
  readonly #device: Device
  #tokens = 0

  constructor(expected: RunExpectation) {
    const { queryHeads, kvHeads, headDim, valueHeadDim, dtype, device } = expected
    this.#layers = expected.layers
    this.#device = device
    this.#shapes = [
      [queryHeads, headDim],
      [kvHeads, headDim],
      [kvHeads, valueHeadDim],
      [queryHeads, valueHeadDim],
      [queryHeads],
    ]
    this.#dtypes = [dtype, dtype, dtype, dtype, 'float32']
    names.forEach((name, i) => {
      const at = i * tensorRecordLength
      const shape = this.#shapes[i]!
      this.numbers[at + dtypeOffset] = dtypeCode[name === 'lse' ? 'float32' : dtype]
      this.numbers[at + deviceOffset] = deviceTypeCode(device)
      this.numbers[at + deviceIndexOffset] = deviceIndex(device)
      this.numbers.set(shape, at + shapeOffset + 1)
      this.numbers[at + strideOffset + shape.length] = 1
    })
  }

  /** Rows of the tensors from now on. */
  set tokens(tokens: number) {
    this.#tokens = tokens
    for (let i = 0; i < names.length; i++) {
      this.numbers[i * tensorRecordLength + shapeOffset] = tokens
    }
  }

  /**
   * Writes a call's arguments, or returns false: then one of them does not fit in the way that is
   * written here, and nothing is to be run.
   */
  write(args: LayerArguments): boolean {
    const { layer } = args
    if (!(Number.isInteger(layer) && layer >= 0 && layer < this.#layers)) return false
    this.numbers[layerIndex] = layer
    return (
      this.#put(0, args.query) &&
      this.#put(1, args.key) &&
      this.#put(2, args.value) &&
      this.#put(3, args.output) &&
      this.#put(4, args.lse)
    )
  }

  /** Writes arguments that `checkRun` has found nothing against. */
  writeChecked(args: LayerArguments): void {
    this.numbers[layerIndex] = args.layer
    names.forEach((name, i) => {
      checkOwner(args[name])
      writeTensorRecord(this.numbers, i, args[name])
    })
  }

  #put(index: number, tensor: Tensor | undefined): boolean {
    const numbers = this.numbers
    const at = index * tensorRecordLength
    if (tensor === undefined) {
      numbers[at + rankOffset] = 0
      return true
    }
    const { data, shape, strides } = tensor
    const rest = this.#shapes[index]!
    const rank = rest.length + 1
    if (
      shape.length !== rank ||
      strides.length !== rank ||
      shape[0] !== this.#tokens ||
      strides[rank - 1] !== 1 ||
      tensor.dtype !== this.#dtypes[index] ||
      !sameDevice(tensor.device, this.#device) ||
      typeof data !== 'bigint' ||
      (this.#tokens > 0 && data <= 0n)
    ) {
      return false
    }
    for (let i = 0; i < rest.length; i++) {
      const stride = strides[i]!
      if (shape[i + 1] !== rest[i] || !Number.isSafeInteger(stride) || stride < 0) return false
      numbers[at + strideOffset + i] = stride
    }
    checkOwner(tensor)
    numbers[at] = Number(data)
    numbers[at + rankOffset] = rank
    return true
  }
}

/** Memory that its owner gave back must not be touched: see `OwnedTensor` of `@vattention/core`. */
function checkOwner(tensor: Tensor | undefined): void {
  const owner = (tensor as { owner?: { disposed?: boolean } } | undefined)?.owner
  if (owner?.disposed) throw errors.disposed('The memory of the tensor')
}
