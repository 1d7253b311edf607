import { errors, type Tensor } from '@vattention/interface'

/**
 * What keeps a tensor's memory. Tensors carry it as a plain property, so that `slice` and `{
 * ...tensor }` keep the memory alive as the tensor itself does.
 */
export interface TensorOwner {
  /** Whether the memory is gone. */
  readonly disposed: boolean
}

/** A tensor that knows whose memory it shows. */
export interface OwnedTensor extends Tensor {
  readonly owner: TensorOwner
}

/**
 * The owner of a tensor's memory, if it says who that is.
 * @throws `ERR_VATTENTION_DISPOSED` when the memory is gone.
 */
export function liveOwner(tensor: Tensor): TensorOwner | undefined {
  const { owner } = tensor as Partial<OwnedTensor>
  if (owner?.disposed) throw errors.disposed('The memory of the tensor')
  return owner
}
