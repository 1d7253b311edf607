/**
 * Cuts long text so that encoding the pieces one after the other gives the tokens of the whole. A
 * cut lies between a letter and white space after it: every pre-tokenizer we accept ends a word
 * there, since white space only ever begins one.
 */

// About 0.3 ms of work: short beside the 10 ms that an event loop may be held.
const sliceLength = 1024

/** The pieces of `text`, in order. */
export function* sliceText(text: string): Generator<string> {
  const cut = /(?<=\p{L})(?=\p{White_Space})/gu
  let start = 0
  while (text.length - start > sliceLength) {
    cut.lastIndex = start + sliceLength
    const end = cut.exec(text)?.index ?? text.length
    yield text.slice(start, end)
    start = end
  }
  if (start < text.length) yield text.slice(start)
}
