/** Suites: what one is, what it is told, and how it is run. */
export { cacheNames, namedCache, type NamedCache } from './named-cache.ts'
export { namedShape, shapeNames, tokenBytes, type NamedShape } from './named-shape.ts'
export type { OnProgress, Progress } from './progress.ts'
export { Recorder } from './recorder.ts'
export { runSuite, type SuiteRun, type SuiteRunOptions } from './run-suite.ts'
export type { Cell, OpenSuite, Suite, SuiteContext, SuiteSettings } from './suite.ts'
