#!/usr/bin/env node
import { main } from './cli/main.ts'

const interrupt = new AbortController()
process.once('SIGINT', () => interrupt.abort()) // a second Ctrl-C ends the process at once

void main(process.argv.slice(2), { signal: interrupt.signal }).then((status) => {
  process.exitCode = status
})
