import { readFile } from 'node:fs/promises'
import type { ChatMessage } from '@vattention/engine'

import { UsageError } from './cli/usage-error.ts'

/** What a file of prompts has in each line. */
export type FilePrompt =
  | { readonly prompt: string; readonly messages?: never }
  | { readonly messages: readonly ChatMessage[]; readonly prompt?: never }

/**
 * Reads prompts: `.jsonl` has an object with `prompt` or `messages` in each line, anything else one
 * prompt a line. Empty lines are left out.
 * @throws UsageError naming the line that cannot be read.
 */
export async function readPrompts(path: string): Promise<FilePrompt[]> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new UsageError(`--file ${path} cannot be read: ${(cause as Error).message}`)
  })
  const lines = text.split(/\r?\n/).map((line, i) => ({ line: line.trim(), number: i + 1 }))
  const filled = lines.filter(({ line }) => line !== '')
  if (filled.length === 0) throw new UsageError(`--file ${path} has no prompts.`)
  if (!path.endsWith('.jsonl')) return filled.map(({ line }) => ({ prompt: line }))
  return filled.map(({ line, number }) => parseLine(line, `${path}:${number}`))
}

function parseLine(line: string, where: string): FilePrompt {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch (error) {
    throw new UsageError(`${where} is not JSON: ${(error as Error).message}`)
  }
  const { prompt, messages } = (value ?? {}) as Partial<Record<string, unknown>>
  if (typeof prompt === 'string' && messages === undefined) return { prompt }
  if (prompt === undefined && isMessages(messages)) return { messages }
  throw new UsageError(
    `${where}: expected {"prompt": "..."} or {"messages": [{"role": "...", "content": "..."}]}.`,
  )
}

function isMessages(value: unknown): value is ChatMessage[] {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.every(
      (message: Partial<ChatMessage> | null) =>
        typeof message?.role === 'string' && typeof message.content === 'string',
    )
  )
}
