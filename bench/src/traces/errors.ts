import { defineError, VattentionError } from '@vattention/interface'

/** Where in a trace file something is wrong. */
export interface TracePlace {
  /** As the user named it. */
  readonly file: string
  /** From 1; absent when the file as a whole is wrong. */
  readonly line?: number
  /** Name of the column, or of the key in a JSON row. */
  readonly column?: string
}

/** A trace file is not what it should be. */
export class TraceFormatError extends VattentionError {
  override readonly name = 'TraceFormatError'
  constructor(
    code: string,
    message: string,
    readonly place: TracePlace,
    readonly expected: string,
    readonly found: string,
  ) {
    super(code, message)
  }
}

/** A plan of arrivals or a run had another rate than was asked for. */
export class ArrivalRateError extends VattentionError {
  override readonly name = 'ArrivalRateError'
  constructor(
    code: string,
    message: string,
    /** Requests per second that were asked for. */
    readonly requestedRate: number,
    /** Requests per second that came. */
    readonly achievedRate: number,
  ) {
    super(code, message)
  }
}

/** Cells of real traces are short; what is longer is not worth a screen. */
const shownCharacters = 80

const shown = (text: string) =>
  text.length > shownCharacters ? `${text.slice(0, shownCharacters)}...` : text

const at = ({ file, line, column }: TracePlace) =>
  [
    file,
    ...(line === undefined ? [] : [`line ${line}`]),
    ...(column === undefined ? [] : [`column ${column}`]),
  ].join(', ')

/** The errors of traces and arrivals. */
export const traceErrors = {
  format: defineError(
    'ERR_VATTENTION_TRACE_FORMAT',
    'configuration',
    'A trace file has a row, a cell or a header that its format does not allow. The message names file, line and column, what was expected and what was found.',
    (code, place: TracePlace, expected: string, found: string) =>
      new TraceFormatError(
        code,
        `${at(place)}: expected ${expected}, found ${shown(found)}.`,
        place,
        expected,
        shown(found),
      ),
  ),
  file: defineError(
    'ERR_VATTENTION_TRACE_FILE',
    'configuration',
    'A trace file cannot be read. The message has the reason that the system gave.',
    (code, file: string, cause: Error) =>
      new VattentionError(code, `${file} cannot be read: ${cause.message}.`, { cause }),
  ),
  scale: defineError(
    'ERR_VATTENTION_TRACE_SCALE',
    'configuration',
    'A trace cannot be scaled or used as asked. The message says why and what would do.',
    (code, message: string) => new VattentionError(code, message),
  ),
  arrivalRate: defineError(
    'ERR_VATTENTION_ARRIVAL_RATE',
    'state',
    'Requests arrived at another rate than was asked for: the figures would belong to that other rate.',
    (code, what: string, requested: number, achieved: number, tolerance: number) =>
      new ArrivalRateError(
        code,
        `${what} has ${achieved.toPrecision(4)} requests per second, asked for were ` +
          `${requested.toPrecision(4)} within ${(100 * tolerance).toPrecision(2)} %.`,
        requested,
        achieved,
      ),
  ),
} as const
