// An ONNX model of one node: com.microsoft's GroupQueryAttention, as bytes of Protocol Buffers.
// Fields are those of onnx.proto: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto

/** A number in seven bits a byte, the lowest first. */
function varint(number) {
  const out = []
  for (; number > 127; number = Math.floor(number / 128)) out.push((number % 128) | 128)
  return [...out, number]
}

const integer = (field, value) => [...varint(field * 8), ...varint(value)]
const message = (field, parts) => {
  const bytes = parts.flat()
  return [...varint(field * 8 + 2), ...varint(bytes.length), ...bytes]
}
const text = (field, value) => message(field, [...Buffer.from(value)])

/** ONNX's numbers of element types. */
export const elementTypes = { float32: 1, int32: 6, float16: 10 }

const intAttribute = (name, value) => message(5, [text(1, name), integer(3, value), integer(20, 2)])

/** A named tensor; dimensions are numbers, or names where they differ from run to run. */
const tensor = (field, name, type, dimensions) =>
  message(field, [
    text(1, name),
    message(2, [
      message(1, [
        integer(1, type),
        message(
          2,
          dimensions.map((one) =>
            message(1, typeof one === 'number' ? integer(1, one) : text(2, one)),
          ),
        ),
      ]),
    ]),
  ])

/**
 * The model. Keys and values of the past are `[sequences, kvHeads, tokens, headDim]`; the rest is
 * `[sequences, tokens, heads * headDim]`.
 *
 * @param {{ queryHeads: number, kvHeads: number, headDim: number, dtype: 'float32' | 'float16' }} shape
 * @returns {Uint8Array}
 */
export function gqaModel({ queryHeads, kvHeads, headDim, dtype }) {
  const type = elementTypes[dtype]
  if (type === undefined) throw new Error(`GroupQueryAttention computes no ${dtype} on the CPU`)
  const rows = (heads) => ['sequences', 'new', heads * headDim]
  const past = (tokens) => ['sequences', kvHeads, tokens, headDim]
  const inputs = {
    query: [type, rows(queryHeads)],
    key: [type, rows(kvHeads)],
    value: [type, rows(kvHeads)],
    past_key: [type, past('past')],
    past_value: [type, past('past')],
    seqlens_k: [elementTypes.int32, ['sequences']],
    total_sequence_length: [elementTypes.int32, [1]],
  }
  const outputs = {
    output: [type, rows(queryHeads)],
    present_key: [type, past('present')],
    present_value: [type, past('present')],
  }
  const node = message(1, [
    ...Object.keys(inputs).map((name) => text(1, name)),
    ...Object.keys(outputs).map((name) => text(2, name)),
    text(4, 'GroupQueryAttention'),
    intAttribute('num_heads', queryHeads),
    intAttribute('kv_num_heads', kvHeads),
    text(7, 'com.microsoft'),
  ])
  const graph = message(7, [
    node,
    text(2, 'attention'),
    ...Object.entries(inputs).map(([name, [of, dims]]) => tensor(11, name, of, dims)),
    ...Object.entries(outputs).map(([name, [of, dims]]) => tensor(12, name, of, dims)),
  ])
  const [irVersion, onnxOpset, microsoftOpset] = [8, 17, 1]
  return Uint8Array.from(
    [
      integer(1, irVersion),
      graph,
      message(8, integer(2, onnxOpset)),
      message(8, [text(1, 'com.microsoft'), integer(2, microsoftOpset)]),
    ].flat(),
  )
}
