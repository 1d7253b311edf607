/** Caches without a C table: written in JavaScript, read through their view. */
import {
  dtypeCode,
  errors,
  type AttentionBatch,
  type CacheView,
  type KvCache,
  type PagedView,
  type Sequence,
  type Stream,
} from '@vattention/interface'

import { tensorRecordLength, writeTensorRecord } from '../tensor-record.ts'
import type { NativePlan, NativeView } from './backend-addon.ts'
import { cacheKindCode, poolLayoutCode } from './native-config.ts'

/** The view is the same object for a cache's whole life, so it is described once. */
const described = new WeakMap<CacheView, NativeView>()

function describe(cache: KvCache): NativeView {
  const view = cache.view()
  const known = described.get(view)
  if (known) return known
  const { shape } = cache
  if (view.layers.length !== shape.layers) {
    throw errors.invalidArgument(
      'cache',
      `a view of ${shape.layers} layers`,
      `${view.layers.length} layers`,
    )
  }
  const records = new Float64Array(2 * shape.layers * tensorRecordLength)
  view.layers.forEach(({ key, value }, i) => {
    writeTensorRecord(records, 2 * i, key)
    writeTensorRecord(records, 2 * i + 1, value)
  })
  const paged = view.kind === 'paged'
  const native: NativeView = {
    kind: cacheKindCode[view.kind],
    layers: shape.layers,
    kvHeads: shape.kvHeads,
    headDim: shape.headDim,
    valueHeadDim: shape.valueHeadDim,
    dtype: dtypeCode[shape.dtype],
    maxSequences: shape.maxSequences,
    maxLength: shape.maxLength,
    poolLayout: paged ? poolLayoutCode[view.layout] : 0,
    blockTokens: paged ? view.blockTokens : 0,
    blocks: paged ? view.blocks : 0,
    maxBlocks: paged ? widestRow(cache, view) : 0,
    tailRows: paged ? 0 : view.tailRows,
    finiteTail: paged && view.finiteTail,
    records,
  }
  described.set(view, native)
  return native
}

/** Blocks that the longest sequence takes. */
const widestRow = ({ shape }: KvCache, { blockTokens }: PagedView) =>
  Math.ceil(shape.maxLength / blockTokens)

/** `prepare` of a plan over such a cache, on `stream`. */
export function prepareForeign(plan: NativePlan, batch: AttentionBatch, stream: Stream): void {
  const { cache, sequences, queryLengths, kvLengths } = batch
  const view = cache.view()
  const native = describe(cache)
  const { handle } = stream
  // On the CPU nothing is under way that a stream would have to wait for.
  if (stream.device.type !== 'cpu') cache.waitReady(stream)
  const backed = Uint32Array.from(sequences, (sequence) => cache.backedLength(sequence as Sequence))
  if (view.kind === 'contiguous') {
    const slots = new Int32Array(sequences.length)
    view.slots(sequences, slots)
    plan.prepareRows(native, queryLengths, kvLengths, backed, slots, undefined, 0, handle)
    return
  }
  const stride = widestRow(cache, view)
  const tables = new Int32Array(sequences.length * stride)
  view.blockTables(sequences, tables, stride)
  plan.prepareRows(native, queryLengths, kvLengths, backed, undefined, tables, stride, handle)
}
