/** A figure that cannot be found in its result, or cannot be written as it is. */
export class FigureError extends Error {
  override readonly name = 'FigureError'
}
