/**
 * Control tokens and text. Text of a chat template may spell control tokens; users' text may not:
 * `protect` marks whatever looks like one in what users wrote, before the template sees it, so that
 * the rendered prompt can be cut at the template's own control tokens only.
 */
import type { AddedTokenDefinition } from './source.ts'

/** A part of a prompt: text, or the id of a control token. */
export type PromptSection = string | number

/** The control tokens of one vocabulary. */
export class ControlText {
  readonly #tokens: ReadonlyMap<string, AddedTokenDefinition>
  readonly #pattern: RegExp | undefined

  constructor(tokens: readonly AddedTokenDefinition[]) {
    this.#tokens = new Map(tokens.map((token) => [token.content, token]))
    const texts = tokens.map(({ content }) => content).filter((content) => content.length > 1)
    // The longest first: an alternation takes the first that fits.
    texts.sort((a, b) => b.length - a.length)
    if (texts.length > 0) this.#pattern = new RegExp(texts.map(escape).join('|'), 'g')
  }

  /** Cuts `text` at its control tokens. `mark`, if given, is removed from the text between. */
  split(text: string, mark = ''): PromptSection[] {
    const sections: PromptSection[] = []
    const pushText = (part: string) => {
      const clean = mark ? part.replaceAll(mark, '') : part
      if (clean) sections.push(clean)
    }
    let start = 0
    let trimNext = false
    for (const match of this.#pattern ? text.matchAll(this.#pattern) : []) {
      const token = this.#tokens.get(match[0])!
      let part = text.slice(start, match.index)
      if (trimNext) part = part.trimStart()
      pushText(token.lstrip ? part.trimEnd() : part)
      sections.push(token.id)
      start = match.index + match[0].length
      trimNext = token.rstrip ?? false
    }
    const rest = text.slice(start)
    pushText(trimNext ? rest.trimStart() : rest)
    return sections
  }

  /**
   * A copy of `value` in which no string, however deep, spells a control token: `mark` is put into
   * each. `mark` must occur in none of the strings; see {@link unusedMark}.
   */
  protect<Value>(value: Value, mark: string): Value {
    return mapStrings(value, (text) => this.#protectText(text, mark)) as Value
  }

  #protectText(text: string, mark: string): string {
    if (!this.#pattern) return text
    // Breaking one occurrence may leave another that overlapped it.
    for (;;) {
      const broken = text.replace(this.#pattern, (found) => found[0]! + mark + found.slice(1))
      if (broken === text) return text
      text = broken
    }
  }
}

/** A private-use character that occurs in no string of `value`. */
export function unusedMark(value: unknown): string {
  const texts: string[] = []
  mapStrings(value, (text) => {
    texts.push(text)
    return text
  })
  for (let code = 0xf0000; ; code++) {
    const mark = String.fromCodePoint(code)
    if (!texts.some((text) => text.includes(mark))) return mark
  }
}

function mapStrings(value: unknown, map: (text: string) => string): unknown {
  if (typeof value === 'string') return map(value)
  if (Array.isArray(value)) return value.map((item) => mapStrings(item, map))
  if (value && typeof value === 'object') {
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, mapStrings(item, map)]),
    )
  }
  return value
}

function escape(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}
