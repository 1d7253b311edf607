// The bars that a bench is held to: what was measured beside what is required. A bar is judged by the
// median, and says when its interval does not decide.

/**
 * @typedef {object} Bar
 * @property {string} name
 * @property {number | null} value What was measured; null: nothing was.
 * @property {number} [low] Of its 95 % interval.
 * @property {number} [high]
 * @property {number} bar
 * @property {'atLeast' | 'atMost'} kind
 * @property {boolean | null} met null: not measured.
 * @property {boolean} [decided] Whether the whole interval is on one side of the bar.
 * @property {string} [unit]
 * @property {string} [note]
 */

/** Judges a summary (`median`, `low`, `high`) or a number. */
function judge(kind, name, measured, bar, more) {
  const summary = typeof measured === 'number' ? { median: measured } : (measured ?? {})
  const { median, low, high } = summary
  if (!Number.isFinite(median)) return { name, value: null, kind, bar, met: null, ...more }
  const meets = (value) => (kind === 'atLeast' ? value >= bar : value <= bar)
  const hasInterval = Number.isFinite(low) && Number.isFinite(high)
  return {
    name,
    value: median,
    ...(hasInterval && { low, high }),
    kind,
    bar,
    met: meets(median),
    ...(hasInterval && { decided: meets(low) === meets(high) }),
    ...more,
  }
}

/** @returns {Bar} */
export const atLeast = (name, measured, bar, more) => judge('atLeast', name, measured, bar, more)
/** @returns {Bar} */
export const atMost = (name, measured, bar, more) => judge('atMost', name, measured, bar, more)

const shown = (value) => (Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(4))

/** One line for people. */
export function barLine({ name, value, low, high, kind, bar, met, decided, unit = '' }) {
  const sign = kind === 'atLeast' ? '>=' : '<='
  if (met === null) return `  ?      ${name}: not measured (bar ${sign} ${bar} ${unit})`.trimEnd()
  const range = low === undefined ? '' : ` [${shown(low)}, ${shown(high)}]`
  const verdict = met ? 'met    ' : 'MISSED '
  const doubt = decided === false ? ', interval does not decide' : ''
  return `  ${verdict}${name}: ${shown(value)}${range} ${unit} (bar ${sign} ${bar}${doubt})`
}
