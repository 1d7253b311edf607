/** What the command's exit status means. */
export const exitCodes = {
  ok: 0,
  /** The work failed: model, memory, device. */
  failed: 1,
  /** The command line cannot be understood; nothing was done. */
  usage: 2,
  /** Ctrl-C. */
  interrupted: 130,
} as const
