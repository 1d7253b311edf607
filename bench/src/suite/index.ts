/** Suites: what one is, and what it is told. */
export * from './named-cache.ts'
export * from './named-shape.ts'
export { Recorder } from './recorder.ts'
export type { Cell, OpenSuite, Suite, SuiteContext, SuiteSettings } from './suite.ts'
