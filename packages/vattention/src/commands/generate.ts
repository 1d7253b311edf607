import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import type { GenerateOptions, GenerationResult } from '@vattention/engine'

import { collect, integer, number } from '../cli/option-values.ts'
import { showProgress, writeJson } from '../cli/terminal.ts'
import { formatDuration } from '../cli/units.ts'
import { UsageError } from '../cli/usage-error.ts'
import { readPrompts } from '../prompt-file.ts'
import { addSessionOptions, type SessionFlags } from '../session-options.ts'
import { openModel, openSession, type Session } from '../session.ts'
import type { CommandContext } from './context.ts'

interface GenerateFlags extends SessionFlags {
  readonly file?: string
  readonly system?: string
  readonly raw?: boolean
  readonly maxTokens: number
  readonly temperature: number
  readonly topK?: number
  readonly topP?: number
  readonly minP?: number
  readonly repetitionPenalty?: number
  readonly presencePenalty?: number
  readonly frequencyPenalty?: number
  readonly seed?: number
  readonly stop?: string[]
  readonly json?: boolean
  readonly quiet?: boolean
}

/** Adds `vattention generate`. */
export function addGenerate(program: Command, context: CommandContext): void {
  const command = program
    .command('generate')
    .description('answer a prompt, or every prompt of a file, out of a KV cache')
    .argument('[prompt]', 'what to answer; - reads it from standard input')
    .option(
      '-f, --file <path>',
      'prompts: .txt (one a line) or .jsonl ({"prompt": ...} or {"messages": [...]}); served together',
    )
    .option('-s, --system <text>', 'system message before each prompt')
    .option('--raw', 'continue the text as it is, without the chat template')
    .option('-n, --max-tokens <n>', 'longest answer', integer(1), 256)
    .option('--temperature <t>', '0 is greedy', number(0), 0)
    .option('--top-k <k>', 'draw from the k most likely tokens', integer(1))
    .option('--top-p <p>', 'draw from the most likely tokens that make up p', number(0, 1))
    .option('--min-p <p>', 'draw from tokens at least p times as likely as the best', number(0, 1))
    .option('--repetition-penalty <x>', 'above 1 avoids tokens that occurred', number(0))
    .option('--presence-penalty <x>', 'subtracted from tokens that occurred', number(-2, 2))
    .option('--frequency-penalty <x>', 'subtracted once per occurrence', number(-2, 2))
    .option('--seed <n>', 'the same seed draws the same tokens', integer(0))
    .option('--stop <text>', 'end the answer before this text; may be given several times', collect)
    .option('--json', 'one JSON document on stdout instead of text')
    .option('-q, --quiet', 'no progress and no figures on stderr')
  addSessionOptions(command)
    .addHelpText(
      'after',
      `
Examples:
  vattention generate "Why is the sky blue?"
  vattention generate --cache paged --block-tokens 32 "Why is the sky blue?"
  vattention generate -m Llama-3.2-1B.gguf --raw --temperature 0.8 --seed 7 "Once upon a time"
  vattention generate --file prompts.txt --max-sequences 64 --limit 512MiB --json > answers.json`,
    )
    .action((prompt: string | undefined, flags: GenerateFlags) => generate(prompt, flags, context))
}

async function generate(
  prompt: string | undefined,
  flags: GenerateFlags,
  { terminal, signal }: CommandContext,
): Promise<void> {
  const requests = await readRequests(prompt, flags)
  const progress = !flags.json && !flags.quiet
  const model = await openModel(flags, terminal, { progress, signal })
  try {
    const session = await openSession(model, flags)
    try {
      const started = performance.now()
      const results =
        requests.length === 1 && !flags.json
          ? [await streamOne(session, requests[0]!, terminal.out)]
          : await answerAll(session, requests, terminal, progress)
      const seconds = (performance.now() - started) / 1000
      if (flags.json) writeJson(terminal, jsonResults(session, results, seconds))
      else if (requests.length > 1) writeAnswers(requests, results, terminal.out)
      if (progress) terminal.err.write(`\n${summary(session, results, seconds)}\n`)
    } finally {
      await session[Symbol.asyncDispose]()
    }
  } finally {
    model.dispose()
  }

  function jsonResults(session: Session, results: readonly GenerationResult[], seconds: number) {
    return {
      model: model.name,
      cache: flags.cache,
      backend: session.backend.name,
      seconds,
      results: results.map(({ tokens, timings, ...rest }) => ({
        ...rest,
        tokens: [...tokens],
        timings: { ...timings, interTokenMs: [...timings.interTokenMs] },
      })),
    }
  }

  async function readRequests(text: string | undefined, from: GenerateFlags) {
    if ((text === undefined) === (from.file === undefined)) {
      throw new UsageError('Give either a prompt or --file <path>.')
    }
    const prompts = from.file
      ? await readPrompts(from.file)
      : [{ prompt: text === '-' ? await readFile('/dev/stdin', 'utf8') : text! }]
    return prompts.map((request) => toRequest(request, from, signal))
  }
}

/** A prompt and the flags as a request to the engine. */
function toRequest(
  given: Pick<GenerateOptions, 'prompt' | 'messages'>,
  flags: GenerateFlags,
  signal: AbortSignal,
): GenerateOptions {
  const { maxTokens, temperature, topK, topP, minP, seed, stop } = flags
  const { repetitionPenalty, presencePenalty, frequencyPenalty } = flags
  const optional = Object.fromEntries(
    Object.entries({
      ...{ topK, topP, minP, seed, stop },
      ...{ repetitionPenalty, presencePenalty, frequencyPenalty },
    }).filter(([, value]) => value !== undefined),
  )
  const options = { maxTokens, temperature, signal, ...optional }
  if (flags.raw) {
    if (given.messages) throw new UsageError('--raw takes prompts, not messages.')
    if (flags.system !== undefined) throw new UsageError('--raw has no place for --system.')
    return { ...options, prompt: given.prompt! }
  }
  const system = flags.system === undefined ? [] : [{ role: 'system', content: flags.system }]
  const messages = given.messages ?? [{ role: 'user', content: given.prompt! }]
  return { ...options, messages: [...system, ...messages] }
}

async function streamOne(
  { engine }: Session,
  request: GenerateOptions,
  out: NodeJS.WritableStream,
): Promise<GenerationResult> {
  const generation = engine.generate(request)
  for await (const { text } of generation) out.write(text)
  out.write('\n')
  return generation.result
}

async function answerAll(
  { engine }: Session,
  requests: readonly GenerateOptions[],
  terminal: CommandContext['terminal'],
  progress: boolean,
): Promise<GenerationResult[]> {
  const bar = showProgress(terminal, {
    title: 'Answering',
    total: requests.length,
    enabled: progress,
  })
  let done = 0
  try {
    return await Promise.all(
      requests.map(async (request) => {
        const result = await engine.generate(request).result
        bar.update(++done, `${done} of ${requests.length} prompts`)
        return result
      }),
    )
  } finally {
    bar.stop()
  }
}

function writeAnswers(
  requests: readonly GenerateOptions[],
  results: readonly GenerationResult[],
  out: NodeJS.WritableStream,
): void {
  for (const [i, { text }] of results.entries()) {
    const { prompt, messages } = requests[i]!
    out.write(`> ${prompt ?? messages!.at(-1)!.content}\n${text.trim()}\n\n`)
  }
}

function summary(
  { engine }: Session,
  results: readonly GenerationResult[],
  seconds: number,
): string {
  const tokens = results.reduce((sum, { usage }) => sum + usage.completionTokens, 0)
  const first = Math.min(...results.map(({ timings }) => timings.firstTokenMs))
  const { cachedTokens, promptTokens } = engine.metrics()
  const shared = cachedTokens > 0 ? `, ${cachedTokens} of ${promptTokens} prompt tokens shared` : ''
  return `${tokens} tokens in ${seconds.toFixed(1)} s (${(tokens / seconds).toFixed(1)} tokens/s), first after ${formatDuration(first)}${shared}`
}
