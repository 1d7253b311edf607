/**
 * How BPE vocabularies cut text into words before merging, by the name that GGUF files give it in
 * `tokenizer.ggml.pre`. The definitions are those of the models' own tokenizer.json files.
 */

/** A pre-tokenizer, and what else belongs to the vocabularies that use it. */
export interface PreTokenizer {
  readonly definition: unknown
  readonly normalizer: unknown
  /** Whole words that are in the vocabulary are taken as they are. */
  readonly ignoreMerges: boolean
}

/** Spells words in GPT-2's alphabet, and does not cut them further. */
const byteLevel = {
  type: 'ByteLevel',
  add_prefix_space: false,
  trim_offsets: true,
  use_regex: false,
}

const split = (pattern: string) => ({
  type: 'Split',
  pattern: { Regex: pattern },
  behavior: 'Isolated',
  invert: false,
})

const sequence = (...pretokenizers: unknown[]) => ({ type: 'Sequence', pretokenizers })

/** GPT-2's pattern. */
const gpt2Words = split(
  "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
)

/** GPT-4's pattern, up to how many digits stay together. */
const gpt4 = (digits: string) =>
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" +
  digits +
  '| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+'

const gpt2: PreTokenizer = {
  definition: sequence(gpt2Words, byteLevel),
  normalizer: null,
  ignoreMerges: false,
}

const smollm: PreTokenizer = {
  // 'Digits' of the library knows only ASCII digits.
  definition: sequence(split('\\p{N}'), gpt2Words, byteLevel),
  normalizer: null,
  ignoreMerges: false,
}

const llama3: PreTokenizer = {
  definition: sequence(split(gpt4('\\p{N}{1,3}')), byteLevel),
  normalizer: null,
  ignoreMerges: true,
}

const qwen2: PreTokenizer = {
  definition: sequence(split(gpt4('\\p{N}')), byteLevel),
  normalizer: { type: 'NFC' },
  ignoreMerges: false,
}

const byName: Readonly<Record<string, PreTokenizer>> = {
  default: gpt2,
  'gpt-2': gpt2,
  smollm,
  'llama-bpe': llama3,
  'llama-v3': llama3,
  llama3,
  qwen2,
}

/**
 * A definition in which white space is what Unicode says. The library's own 'ByteLevel' cuts words
 * where JavaScript's `\\s` matches, which has U+FEFF too many and U+0085 too few.
 */
export function withUnicodeSpaces(definition: unknown): unknown {
  if (!definition) return definition
  const part = definition as { type: string; pretokenizers?: unknown[] } & typeof byteLevel
  if (part.pretokenizers) {
    return { ...part, pretokenizers: part.pretokenizers.map(withUnicodeSpaces) }
  }
  const cuts = part.type === 'ByteLevel' && (part.use_regex ?? true) && !part.add_prefix_space
  return cuts ? sequence(gpt2Words, byteLevel) : definition
}

/** Names that {@link preTokenizer} knows. */
export const preTokenizerNames: readonly string[] = Object.keys(byName)

/** The pre-tokenizer called `name`. */
export function preTokenizer(name: string): PreTokenizer | undefined {
  return Object.hasOwn(byName, name) ? byName[name] : undefined
}
