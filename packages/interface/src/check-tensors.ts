import type { AttentionBackend, AttentionPartial, RunArguments } from './attention-backend.ts'
import type { DType } from './dtype.ts'
import { deviceName, sameDevice, type Device } from './device.ts'
import { errors, type Reason } from './errors.ts'
import type { Tensor } from './tensor.ts'

/** What a tensor has to be. Its last stride must be 1. */
export interface TensorExpectation {
  readonly shape: readonly number[]
  readonly dtype: DType
  readonly device: Device
}

/** Every way in which a tensor is not what is expected. */
export function tensorReasons(name: string, tensor: Tensor, expected: TensorExpectation): Reason[] {
  const found: Reason[] = []
  const differ = (code: string, want: string, got: string) =>
    found.push({
      code,
      message: `${name}: ${code} ${want} required, found ${got}`,
      expected: want,
      found: got,
    })
  const { shape, strides } = tensor
  if (
    shape.length !== expected.shape.length ||
    shape.some((size, i) => size !== expected.shape[i])
  ) {
    differ('shape', `[${expected.shape.join(', ')}]`, `[${shape.join(', ')}]`)
  }
  if (tensor.dtype !== expected.dtype) differ('dtype', expected.dtype, tensor.dtype)
  if (!sameDevice(tensor.device, expected.device)) {
    differ('device', deviceName(expected.device), deviceName(tensor.device))
  }
  if (
    strides.length !== shape.length ||
    !strides.every((stride) => Number.isSafeInteger(stride) && stride >= 0)
  ) {
    differ('strides', `${shape.length} integers of at least 0`, `[${strides.join(', ')}]`)
  } else if (shape.at(-1)! > 1 && strides.at(-1) !== 1) {
    differ('strides', 'a last stride of 1', `[${strides.join(', ')}]`)
  }
  if (typeof tensor.data !== 'bigint' || (tensor.data <= 0n && shape.every((size) => size > 0))) {
    differ('data', 'an address', String(tensor.data))
  }
  return found
}

/** What `run` is checked against. */
export interface RunExpectation {
  readonly layers: number
  readonly tokens: number
  readonly queryHeads: number
  readonly kvHeads: number
  readonly headDim: number
  readonly valueHeadDim: number
  readonly dtype: DType
  readonly device: Device
}

/**
 * Checks the arguments of `run` (and of `append`, without query and output).
 * @throws `ERR_VATTENTION_INVALID_TENSOR` with all reasons.
 */
export function checkRun(
  what: 'run' | 'append',
  args: Pick<RunArguments, 'layer' | 'key' | 'value' | 'lse'> & { query?: Tensor; output?: Tensor },
  expected: RunExpectation,
): void {
  const { tokens, dtype, device } = expected
  const found: Reason[] = []
  if (!Number.isInteger(args.layer) || args.layer < 0 || args.layer >= expected.layers) {
    const range = `0..${expected.layers - 1}`
    found.push({
      code: 'layer',
      message: `layer ${range} required, found ${args.layer}`,
      expected: range,
      found: String(args.layer),
    })
  }
  const check = (name: string, tensor: Tensor | undefined, heads: number, dim: number) => {
    if (tensor)
      found.push(...tensorReasons(name, tensor, { shape: [tokens, heads, dim], dtype, device }))
  }
  if (what === 'run') {
    for (const name of ['query', 'output'] as const) {
      if (!args[name])
        found.push({
          code: name,
          message: `${name} is required`,
          expected: 'a tensor',
          found: 'undefined',
        })
    }
  }
  check('query', args.query, expected.queryHeads, expected.headDim)
  check('output', args.output, expected.queryHeads, expected.valueHeadDim)
  if (!args.key !== !args.value || (what === 'append' && !args.key)) {
    found.push({
      code: 'key',
      message: 'key and value go together',
      expected: what === 'append' ? 'both' : 'both or neither',
      found: args.key ? 'key only' : args.value ? 'value only' : 'neither',
    })
  }
  check('key', args.key, expected.kvHeads, expected.headDim)
  check('value', args.value, expected.kvHeads, expected.valueHeadDim)
  if (args.lse) {
    found.push(
      ...tensorReasons('lse', args.lse, {
        shape: [tokens, expected.queryHeads],
        dtype: 'float32',
        device,
      }),
    )
  }
  if (found.length > 0) throw errors.invalidTensor(what, found)
}

/**
 * Checks the arguments of `merge`.
 * @throws `ERR_VATTENTION_INVALID_TENSOR` with all reasons.
 */
export function checkMerge(
  backend: Pick<AttentionBackend, 'device' | 'capabilities'>,
  partials: readonly AttentionPartial[],
  into: { output: Tensor; lse?: Tensor },
): void {
  const { shape, dtype } = into.output
  const found: Reason[] = []
  if (partials.length === 0) {
    found.push({
      code: 'partials',
      message: 'at least one partial is required',
      expected: 'one or more',
      found: '0',
    })
  }
  if (shape.length !== 3) {
    found.push({
      code: 'shape',
      message: `output: [tokens, heads, dim] required, found [${shape.join(', ')}]`,
      expected: '[tokens, heads, dim]',
      found: `[${shape.join(', ')}]`,
    })
  }
  if (!backend.capabilities.dtypes.includes(dtype)) {
    found.push({
      code: 'dtype',
      message: `output: dtype ${backend.capabilities.dtypes.join(' or ')} required, found ${dtype}`,
      expected: backend.capabilities.dtypes.join(', '),
      found: dtype,
    })
  }
  const { device } = backend
  const lse = { shape: shape.slice(0, 2), dtype: 'float32' as const, device }
  found.push(...tensorReasons('output', into.output, { shape, dtype, device }))
  if (into.lse) found.push(...tensorReasons('lse', into.lse, lse))
  for (const [i, partial] of partials.entries()) {
    found.push(
      ...tensorReasons(`partials[${i}].output`, partial.output, {
        shape,
        dtype: partial.output.dtype,
        device,
      }),
    )
    found.push(...tensorReasons(`partials[${i}].lse`, partial.lse, lse))
  }
  if (found.length > 0) throw errors.invalidTensor('merge', found)
}
