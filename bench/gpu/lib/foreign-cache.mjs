// Keys and values in plain allocations, as a cache without a C table: backends see it through its
// view, whose strides are those of another cache. What mapped pages cost is the difference.
import { copy } from '@vattention/core'
import { spanBytes } from '@vattention/interface'

const elementBytes = 2

/** The tensor's memory, from its first element to its last, as elements. */
const elementsOf = (tensor) => Math.ceil(spanBytes(tensor) / elementBytes)

/** What `copy` takes at once is below 2^32 elements. */
const mostElements = 2 ** 28

/** Copies rows [0, length) of all slots, and what lies between them, to the same places at `data`. */
function copyRows(gpu, { strides, shape, ...tensor }, length, data) {
  const [slotStride, rowStride] = strides
  const pieceRows = Math.max(1, Math.floor(mostElements / rowStride))
  for (let slot = 0; slot < shape[0]; slot++) {
    for (let row = 0; row < length; row += pieceRows) {
      const offset = BigInt((slot * slotStride + row * rowStride) * elementBytes)
      const piece = {
        ...tensor,
        shape: [Math.min(pieceRows, length - row) * rowStride],
        strides: [1],
      }
      const from = { ...piece, data: tensor.data + offset }
      copy(from, { ...piece, data: data + offset }, gpu.stream)
    }
  }
}

export class ForeignCache {
  kind = 'contiguous'
  #view
  #backed
  #memory = []

  /**
   * A copy of a filled contiguous cache.
   *
   * @param {object} gpu
   * @param {import('./filled-cache.mjs').FilledCache} filled
   */
  constructor(gpu, { cache, handles, length }) {
    this.device = cache.device
    this.shape = cache.shape
    this.#backed = length
    const { layers, tailRows } = cache.view()
    const slots = new Int32Array(handles.length)
    cache.view().slots(handles, slots)
    this.#view = Object.freeze({
      kind: 'contiguous',
      tailRows,
      layers:
        cache.layout === 'interleaved'
          ? this.#copyTogether(gpu, layers, length)
          : layers.map((layer) => this.#copyApart(gpu, layer, length)),
      // A sequence is known by its slot.
      slots: (sequences, out) => out.set(sequences),
    })
    /** Of the same sequences, in the same order. */
    this.handles = Uint32Array.from(slots)
  }

  /** One allocation in which all layers lie as they did. */
  #copyTogether(gpu, layers, length) {
    const first = layers[0].key
    // Rows of a token are beside each other: a slot is dense but for its end.
    const slots = first.shape[0]
    const size = slots * first.strides[0]
    const memory = this.#allocate(gpu, first.dtype, size)
    copyRows(gpu, first, length, memory.data)
    const moved = (tensor) => ({ ...tensor, data: memory.data + (tensor.data - first.data) })
    return layers.map(({ key, value }) => ({ key: moved(key), value: moved(value) }))
  }

  #copyApart(gpu, { key, value }, length) {
    const moved = (tensor) => {
      const { data } = this.#allocate(gpu, tensor.dtype, elementsOf(tensor))
      copyRows(gpu, tensor, length, data)
      return { ...tensor, data }
    }
    return { key: moved(key), value: moved(value) }
  }

  #allocate(gpu, dtype, elements) {
    const memory = gpu.tensor(dtype, [elements])
    this.#memory.push(memory)
    return memory
  }

  view() {
    return this.#view
  }
  backedLength() {
    return this.#backed
  }
  waitReady() {
    // Everything was copied on the stream that reads it.
  }

  async disposeAsync() {
    for (const memory of this.#memory) memory[Symbol.dispose]()
  }
}
