import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { describeModel } from '../../src/model/read-model.ts'
import { ModelTokenizer } from '../../src/tokenizer/model-tokenizer.ts'
import { random } from '../support/random.ts'
import { randomText } from '../support/random-text.ts'
import { temporaryFolder, writeTinyGguf } from '../support/tiny-model.ts'

const { path: folder, dispose } = temporaryFolder()
afterAll(dispose)

// A vocabulary of the kind that Llama 2 has: control tokens, bytes, then pieces with scores.
const control = ['<unk>', '<s>', '</s>']
const bytes = Array.from(
  { length: 256 },
  (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`,
)
const letters = ['▁', ...'abcdeé']
const pieces = madePieces()
const tokens = [...control, ...bytes, ...pieces.map(({ piece }) => piece)]
const scores = [...control.map(() => 0), ...bytes.map(() => 0), ...pieces.map(({ score }) => score)]

/** Pieces grown from letters by joining, as training does; later ones score lower. */
function madePieces(): { piece: string; score: number }[] {
  const next = random(7)
  const made = [...letters]
  while (made.length < 80) {
    const left = made[Math.floor(next() * made.length)]!
    const right = made[Math.floor(next() * made.length)]!
    const joined = left + right
    // A space only begins a piece.
    if (!made.includes(joined) && !/[^▁]▁/.test(joined)) made.push(joined)
  }
  const merged = made.slice(letters.length)
  return [
    ...merged.map((piece, i) => ({ piece, score: -i })),
    ...letters.map((piece, i) => ({ piece, score: -1000 - i })),
  ]
}

/** sentencepiece's algorithm: joins the best-scoring neighbours, the leftmost of equals first. */
function sentencePiece(text: string): number[] {
  const ids = new Map(pieces.map(({ piece }, i) => [piece, i + control.length + bytes.length]))
  let parts = Array.from(text.replaceAll(' ', '▁'))
  for (;;) {
    let best = -1
    for (let i = 0; i + 1 < parts.length; i++) {
      const id = ids.get(parts[i]! + parts[i + 1]!)
      const bestId = best < 0 ? undefined : ids.get(parts[best]! + parts[best + 1]!)
      if (id !== undefined && (bestId === undefined || scores[id]! > scores[bestId]!)) best = i
    }
    if (best < 0) break
    parts = [...parts.slice(0, best), parts[best]! + parts[best + 1]!, ...parts.slice(best + 2)]
  }
  return parts.flatMap((part) => {
    const id = ids.get(part)
    return id === undefined ? [...new TextEncoder().encode(part)].map((byte) => byte + 3) : [id]
  })
}

let tokenizer: ModelTokenizer

beforeAll(async () => {
  const path = writeTinyGguf(folder, {
    metadata: {
      'tokenizer.ggml.model': 'llama',
      'tokenizer.ggml.tokens': tokens,
      'tokenizer.ggml.scores': scores,
      'tokenizer.ggml.token_type': [2, 3, 3, ...bytes.map(() => 6), ...pieces.map(() => 1)],
      'tokenizer.ggml.bos_token_id': 1,
      'tokenizer.ggml.eos_token_id': 2,
      'tokenizer.ggml.unknown_token_id': 0,
      'tokenizer.chat_template':
        '{% for m in messages %}{{ bos_token }}[{{ m.content }}]{{ eos_token }}{% endfor %}',
    },
  })
  tokenizer = new ModelTokenizer((await describeModel(path)).tokenizer!)
})

/** Text of the letters that the vocabulary knows. */
function letterText(seed: number, length: number): string {
  const next = random(seed)
  return Array.from({ length }, () => 'abcdeé  '[Math.floor(next() * 8)]).join('')
}

describe("sentencepiece's BPE", () => {
  it('gives the tokens of the algorithm, with a space and BOS before the text', () => {
    for (let seed = 1; seed <= 200; seed++) {
      const text = letterText(seed, 40)
      expect([...tokenizer.encode(text)], `seed ${seed}`).toEqual([1, ...sentencePiece(` ${text}`)])
    }
  })

  it('spells what it does not know in bytes, and brings all text back', () => {
    expect([...tokenizer.encode('x', { addBos: false })]).toEqual([
      ...sentencePiece(' '),
      'x'.charCodeAt(0) + 3,
    ])
    for (let seed = 1; seed <= 200; seed++) {
      const text = randomText(seed, 60)
      expect(tokenizer.decode(tokenizer.encode(text)), `seed ${seed}`).toBe(text)
    }
  })

  it('gives the same tokens in slices as at once', async () => {
    for (let seed = 1; seed <= 5; seed++) {
      const text = letterText(seed, 6000)
      expect([...(await tokenizer.encodeAsync(text))]).toEqual([1, ...sentencePiece(` ${text}`)])
    }
  })

  it('streams the space between words', () => {
    const stream = tokenizer.textStream()
    const ids = [...tokenizer.encode('a b', { addBos: false })]
    expect(ids.map((id) => stream.push(id)).join('')).toBe(' a b')
  })

  it("puts no second BOS before a template's own", () => {
    const ids = [...tokenizer.encodeChat([{ role: 'user', content: 'a</s>' }])]
    expect(ids.filter((id) => id === 1)).toEqual([1])
    expect(ids.filter((id) => id === 2)).toHaveLength(1)
    expect(ids.at(-1)).toBe(2)
  })
})
