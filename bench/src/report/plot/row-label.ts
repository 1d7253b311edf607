/** Letters of a line at most: more would leave no room for the plot. */
const mostLetters = 34

/** Width of a letter in units of the plot, on the safe side. */
const letterWidth = 7.2

/**
 * A row's name in lines: both sides of a ratio have one of their own, and what is long is broken
 * between words.
 */
export function linesOf(row: string): string[] {
  return row
    .split('\n')
    .flatMap((line) => line.replace(' / ', '\n/ ').split('\n'))
    .flatMap(broken)
}

function broken(line: string): string[] {
  const lines: string[] = []
  let last = ''
  for (const word of line.split(' ').flatMap(pieces)) {
    const longer = last === '' ? word : `${last} ${word}`
    if (longer.length <= mostLetters || last === '') last = longer
    else {
      lines.push(last)
      last = word
    }
  }
  return [...lines, last]
}

/** A word that is longer than a line, in parts. */
function pieces(word: string): string[] {
  if (word.length <= mostLetters) return [word]
  return word.match(new RegExp(`.{1,${mostLetters}}`, 'gu')) ?? [word]
}

/** How much room a row's name takes left of the plot. */
export const labelWidth = (row: string): number =>
  Math.max(...linesOf(row).map((line) => line.length)) * letterWidth
