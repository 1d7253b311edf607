/** Totals over a model's tensors. */
import type { StorageType, WeightSource } from '../native.ts'
import { storedBytes, type ModelDescription } from './description.ts'

/** Parameters, bytes and storage types of `tensors`. */
export function summariseTensors(
  tensors: readonly WeightSource[],
): Pick<ModelDescription, 'parameters' | 'weightBytes' | 'storage'> {
  const storage: Partial<Record<StorageType, number>> = {}
  let parameters = 0
  let weightBytes = 0
  for (const tensor of tensors) {
    storage[tensor.type] = (storage[tensor.type] ?? 0) + 1
    parameters += tensor.shape.reduce((product, size) => product * size, 1)
    weightBytes += storedBytes(tensor)
  }
  return { parameters, weightBytes, storage }
}
