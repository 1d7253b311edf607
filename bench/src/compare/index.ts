export {
  compareResults,
  type ComparedMetric,
  type CompareOptions,
  type Comparison,
  type Verdict,
} from './compare.ts'
export { compareSets, type ComparisonSet } from './sets.ts'
export { comparisonSetText, comparisonText } from './text.ts'
