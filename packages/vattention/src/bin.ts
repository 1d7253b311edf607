#!/usr/bin/env node
import { setMaxListeners } from 'node:events'
import process from 'node:process'

import { main } from './main.ts'

const interrupt = new AbortController()
setMaxListeners(0, interrupt.signal) // every request of a crowd listens
process.once('SIGINT', () => interrupt.abort()) // a second Ctrl-C ends the process at once
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  interrupt.abort() // the reader of a pipe went away
})

void main(process.argv.slice(2), {
  terminal: { out: process.stdout, err: process.stderr },
  environment: process.env,
  signal: interrupt.signal,
}).then((status) => {
  process.exitCode = status
})
