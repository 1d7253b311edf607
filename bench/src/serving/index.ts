/** Serving metrics: from a log of what happened to requests to figures. */
export * from './capacity.ts'
export * from './distribution.ts'
export { servingErrors } from './errors.ts'
export * from './request-timing.ts'
export * from './service-level.ts'
export * from './serving-event.ts'
export * from './serving-log.ts'
export * from './serving-summary.ts'
