import { serveSuite } from './serve/serve-suite.ts'

/** The engine on traces, all requests at once. */
export const serveOffline = serveSuite('offline')
