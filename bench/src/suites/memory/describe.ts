import type { NamedShape, SuiteContext } from '../../suite/index.ts'

/** A shape as results describe their workload. */
export const shapeNumbers = ({
  name,
  layers,
  queryHeads,
  kvHeads,
  headDim,
  dtype,
}: NamedShape) => ({
  name,
  layers,
  queryHeads,
  kvHeads,
  headDim,
  dtype,
})

/** Bytes as people name page classes: `64 KiB`, `2 MiB`. */
export const pageName = (bytes: number): string =>
  bytes >= 2 ** 20 ? `${bytes / 2 ** 20} MiB` : `${bytes / 2 ** 10} KiB`

/** A number that an option of the suite may set. */
export function optionNumber(
  { options }: Pick<SuiteContext, 'options'>,
  name: string,
  otherwise: number,
): number {
  const given = options[name]
  return typeof given === 'number' ? given : otherwise
}

/** Numbers that an option of the suite may set. */
export function optionNumbers(
  { options }: Pick<SuiteContext, 'options'>,
  name: string,
  otherwise: readonly number[],
): readonly number[] {
  const given = options[name]
  return Array.isArray(given) ? (given as number[]) : otherwise
}
