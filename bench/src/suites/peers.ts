import { makePeers } from './peers/peers-suite.ts'

/** What one would take instead. */
export const peers = makePeers()
