/** What all suites measure with. */
export * from './bench-device.ts'
export * from './clock.ts'
export * from './random.ts'
