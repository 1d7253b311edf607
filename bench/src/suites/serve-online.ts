import { serveSuite } from './serve/serve-suite.ts'

/** The engine on traces, requests at their times. */
export const serveOnline = serveSuite('online')
