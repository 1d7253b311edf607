/**
 * The `vattention` command as a function, for programs that embed it.
 * @packageDocumentation
 */
export { exitCodes } from './cli/exit-codes.ts'
export type { Terminal } from './cli/terminal.ts'
export { main, type MainOptions } from './main.ts'
