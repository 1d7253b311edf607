export { renderReport, type Report } from './render.ts'
export { renderComparison } from './comparison.ts'
export { writeReport } from './write.ts'
