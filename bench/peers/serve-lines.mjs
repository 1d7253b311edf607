// Answers lines of JSON with lines of JSON, one at a time.
import { createInterface } from 'node:readline'

export const say = (answer) => process.stdout.write(`${JSON.stringify(answer)}\n`)

/** Only what goes wrong has to be known: an answer with `error` is a refusal with its reason. */
export async function serveLines(answer) {
  for await (const line of createInterface({ input: process.stdin })) {
    try {
      say(await answer(JSON.parse(line)))
    } catch (error) {
      say({ error: (error?.message ?? String(error)).trim().split('\n')[0] })
    }
  }
}
