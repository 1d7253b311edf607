export {
  compareResults,
  type ComparedMetric,
  type CompareOptions,
  type Comparison,
  type Verdict,
} from './compare.ts'
export { comparisonText } from './text.ts'
