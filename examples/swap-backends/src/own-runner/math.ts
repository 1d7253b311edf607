/** What a Llama computes besides attention, in plain loops over rows of float32. */
import type { ModelConfig } from '@vattention/engine'

/** `out[row] = weights · x[row]` for every row; `weights` is `[outputs, inputs]`. */
export function multiply(weights: Float32Array, x: Float32Array, inputs: number): Float32Array {
  const outputs = weights.length / inputs
  const rows = x.length / inputs
  const out = new Float32Array(rows * outputs)
  for (let output = 0; output < outputs; output++) {
    const w = output * inputs
    let row = 0
    // Four rows at a time: a weight is fetched once for all, and no addition waits for another.
    for (; row + 4 <= rows; row += 4) {
      const [a, b, c, d] = [
        row * inputs,
        (row + 1) * inputs,
        (row + 2) * inputs,
        (row + 3) * inputs,
      ]
      let [sumA, sumB, sumC, sumD] = [0, 0, 0, 0]
      for (let i = 0; i < inputs; i++) {
        const weight = weights[w + i]!
        sumA += weight * x[a + i]!
        sumB += weight * x[b + i]!
        sumC += weight * x[c + i]!
        sumD += weight * x[d + i]!
      }
      out[row * outputs + output] = sumA
      out[(row + 1) * outputs + output] = sumB
      out[(row + 2) * outputs + output] = sumC
      out[(row + 3) * outputs + output] = sumD
    }
    for (; row < rows; row++) {
      let sum = 0
      for (let i = 0; i < inputs; i++) sum += weights[w + i]! * x[row * inputs + i]!
      out[row * outputs + output] = sum
    }
  }
  return out
}

/** Root mean square norm of every row. */
export function normalise(x: Float32Array, weights: Float32Array, epsilon: number): Float32Array {
  const width = weights.length
  const out = new Float32Array(x.length)
  for (let start = 0; start < x.length; start += width) {
    let squares = 0
    for (let i = 0; i < width; i++) squares += x[start + i]! ** 2
    const scale = 1 / Math.sqrt(squares / width + epsilon)
    for (let i = 0; i < width; i++) out[start + i] = x[start + i]! * scale * weights[i]!
  }
  return out
}

/** Rotates the heads of every row by the row's position, in place. */
export function rotate(x: Float32Array, positions: readonly number[], config: ModelConfig): void {
  const { headDim, ropeDims, ropeBase, ropeScale, ropeStyle } = config
  const half = ropeDims / 2
  const width = x.length / positions.length
  for (const [row, position] of positions.entries()) {
    for (let i = 0; i < half; i++) {
      const angle = (position / ropeScale) * ropeBase ** (-i / half)
      const [cos, sin] = [Math.cos(angle), Math.sin(angle)]
      const [first, second] = ropeStyle === 'half' ? [i, i + half] : [2 * i, 2 * i + 1]
      for (let head = row * width; head < (row + 1) * width; head += headDim) {
        const [a, b] = [x[head + first]!, x[head + second]!]
        x[head + first] = a * cos - b * sin
        x[head + second] = a * sin + b * cos
      }
    }
  }
}

/** `silu(gate) * up`, element by element. */
export function gated(gate: Float32Array, up: Float32Array): Float32Array {
  return gate.map((x, i) => (x / (1 + Math.exp(-x))) * up[i]!)
}

/** Adds `y` to `x`. */
export function addTo(x: Float32Array, y: Float32Array): void {
  for (let i = 0; i < x.length; i++) x[i]! += y[i]!
}

/** The given rows, one after the other. */
export function rowsOf(x: Float32Array, rows: Iterable<number>, width: number): Float32Array {
  const found = [...rows]
  const out = new Float32Array(found.length * width)
  for (const [i, row] of found.entries())
    out.set(x.subarray(row * width, (row + 1) * width), i * width)
  return out
}
