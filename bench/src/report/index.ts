export { renderReport, type Report } from './render.ts'
export { renderComparison, renderComparisonSet } from './comparison.ts'
export { writeReport } from './write.ts'
