import { InvalidArgumentError } from 'commander'
import type { DType } from '@vattention/interface'

/** The attention of a model on one GPU: what kernels and caches see of it. */
export interface NamedShape {
  readonly name: string
  readonly layers: number
  readonly queryHeads: number
  readonly kvHeads: number
  /** Of queries, keys and values alike. */
  readonly headDim: number
  readonly dtype: DType
}

const shape = (
  name: string,
  [layers, queryHeads, kvHeads, headDim]: readonly [number, number, number, number],
): NamedShape => ({ name, layers, queryHeads, kvHeads, headDim, dtype: 'bfloat16' })

/** Published models; `tp`: the heads that one of so many GPUs has. */
const published: readonly NamedShape[] = [
  shape('smollm2-135m', [30, 9, 3, 64]),
  shape('yi-6b', [32, 32, 4, 128]),
  shape('llama-3-8b', [32, 32, 8, 128]),
  shape('yi-34b-tp2', [60, 28, 4, 128]),
  shape('llama-3-70b-tp8', [80, 8, 1, 128]),
]

/** What `--shapes` takes, for its help. */
export const shapeNames = `${published.map(({ name }) => name).join(', ')}, or layers/queryHeads/kvHeads/headDim: 32/32/8/128`

/**
 * A shape by its name or its numbers.
 *
 * @throws InvalidArgumentError when there is none
 */
export function namedShape(name: string): NamedShape {
  const known = published.find((one) => one.name === name)
  if (known) return known
  const [, ...digits] = /^(\d+)\/(\d+)\/(\d+)\/(\d+)$/.exec(name) ?? []
  const [layers = 0, queryHeads = 0, kvHeads = 0, headDim = 0] = digits.map(Number)
  if (Math.min(layers, queryHeads, kvHeads, headDim) < 1) {
    throw new InvalidArgumentError(`There is no shape "${name}". There are ${shapeNames}.`)
  }
  if (queryHeads % kvHeads !== 0) {
    throw new InvalidArgumentError(
      `${name}: the query heads must be a multiple of the heads of keys and values.`,
    )
  }
  return shape(name, [layers, queryHeads, kvHeads, headDim])
}

/** Bytes of keys and values that one token takes in all layers, in two-byte numbers. */
export const tokenBytes = ({ layers, kvHeads, headDim }: NamedShape): number =>
  2 * layers * kvHeads * headDim * 2
