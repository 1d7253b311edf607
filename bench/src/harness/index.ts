/** What all suites measure with. */
export * from './bench-device.ts'
export * from './clock.ts'
