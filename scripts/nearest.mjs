/** How many letters must be inserted, removed or replaced to make `b` of `a`. */
function distance(a, b) {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1] + Number(a[i - 1] !== b[j - 1])
      next.push(Math.min(replaced, row[j] + 1, next[j - 1] + 1))
    }
    row = next
  }
  return row[b.length]
}

/**
 * The known name that somebody who wrote `name` probably meant; undefined when none is near.
 *
 * @param {string} name
 * @param {readonly string[]} known
 */
export function nearest(name, known) {
  let best
  let least = Math.max(1, Math.floor(name.length / 3)) + 1
  for (const each of known) {
    const found = distance(name.toLowerCase(), each.toLowerCase())
    if (found < least) [best, least] = [each, found]
  }
  return best
}
