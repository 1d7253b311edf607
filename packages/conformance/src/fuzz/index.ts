/** Model-based fuzzing of caches. */
export { fuzzCache } from './fuzz-cache.ts'
export type { FuzzOptions, FuzzReport, FuzzSubject, MakeFuzzSubject } from './fuzz-subject.ts'
