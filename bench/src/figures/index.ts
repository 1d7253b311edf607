/** Figures of Markdown pages, beside the results that they come from. */
export { FigureError } from './figure-error.ts'
export { checkPage, type CheckedPage, type StaleFigure } from './page-figures.ts'
