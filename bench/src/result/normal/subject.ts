/** A subject's name in parts: `fa3 paged 16` is backend `fa3` over cache `paged 16`. */
export function subjectParts(name: string): { backend: string; cache?: string } {
  const space = name.indexOf(' ')
  if (space < 0) return { backend: name }
  return { backend: name.slice(0, space), cache: name.slice(space + 1) }
}

/** `16x16K: a / b` or `a / b, 8K`: what is compared with what. */
export function ratioParts(name: string): { of: string; over: string } {
  const [of = name, over = ''] = name
    .replace(/^[^:]*: /, '')
    .replace(/, [^,]*$/, '')
    .split(' / ')
  return { of, over }
}
