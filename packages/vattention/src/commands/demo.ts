import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Command } from 'commander'

import { bytes, integer, number } from '../cli/option-values.ts'
import { showProgress, writeJson } from '../cli/terminal.ts'
import { formatBytes } from '../cli/units.ts'
import { AnswerPrinter } from '../demo/answer-printer.ts'
import { arrivals } from '../demo/arrivals.ts'
import { memoryPlot } from '../demo/memory-plot.ts'
import { reportTable } from '../demo/report-table.ts'
import { requests } from '../demo/requests.ts'
import { serveCrowd, type CrowdReport } from '../demo/serve-crowd.ts'
import { systemPrompt } from '../demo/system-prompt.ts'
import { openModel, openSession } from '../session.ts'
import type { SessionFlags } from '../session-options.ts'
import type { CommandContext } from './context.ts'

interface DemoFlags {
  readonly model?: string
  readonly limit: number
  readonly requests: number
  readonly gap: number
  readonly seed: number
  readonly threads?: number
  readonly out: string
  readonly json?: boolean
}

/** Which answers are printed as they stream: a short one, a middling one and a long one. */
const printed = [1, 4, 9]

/** What the crowd is served from, one after the other. */
const contenders: readonly (Pick<SessionFlags, 'cache' | 'layout'> & { readonly title: string })[] =
  [
    { title: 'vAttention, split', cache: 'vattention', layout: 'split' },
    { title: 'vAttention, interleaved', cache: 'vattention', layout: 'interleaved' },
    { title: 'PagedAttention, blocks of 16', cache: 'paged' },
  ]

/** Adds `vattention demo`. */
export function addDemo(program: Command, context: CommandContext): void {
  program
    .command('demo')
    .description('serve a crowd of chat requests from each cache and compare them')
    .option('-m, --model <path>', 'GGUF file, or folder with safetensors; default: the demo model')
    .option('--limit <size>', 'most memory of each cache', bytes, 160 * 2 ** 20)
    .option('--requests <n>', 'how many arrive', integer(1, requests.length), requests.length)
    .option('--gap <ms>', 'mean time between two arrivals', number(0), 150)
    .option('--seed <n>', 'of the arrivals', integer(0), 1)
    .option('--threads <n>', 'CPU threads (default: all cores it may use)', integer(1, 1024))
    .option('--out <file>', 'where the plot of memory over time goes', 'vattention-demo.svg')
    .option('--json', 'one JSON document on stdout instead of text')
    .addHelpText(
      'after',
      `
Examples:
  vattention demo
  vattention demo --limit 64MiB          # memory is short: requests are preempted, all finish
  vattention demo --gap 0 --json > demo.json`,
    )
    .action((flags: DemoFlags) => demo(flags, context))
}

async function demo(flags: DemoFlags, { terminal, signal }: CommandContext): Promise<void> {
  const say = (text: string) => flags.json || terminal.out.write(`${text}\n`)
  const { limit, seed, gap } = flags
  const crowd = requests.slice(0, flags.requests)
  const session = {
    ...{ limit, maxSequences: crowd.length, maxLength: 2048 },
    ...(flags.model === undefined ? {} : { model: flags.model }),
    ...(flags.threads === undefined ? {} : { threads: flags.threads }),
  }
  const reports: CrowdReport[] = []
  const model = await openModel({ ...session, cache: 'vattention' }, terminal, {
    progress: !flags.json,
    signal,
  })
  try {
    const shared = model.tokenizer?.encode(systemPrompt).length
    say(
      `${crowd.length} visitors write to the help desk of a library. Each prompt starts with the same ${shared ?? 0} tokens.\n` +
        `${model.name} answers on this CPU, with at most ${formatBytes(limit)} of KV cache; from a contiguous cache in two layouts, then from a paged one.`,
    )
    for (const [i, { title, ...which }] of contenders.entries()) {
      await using opened = await openSession(model, { ...session, ...which })
      say(`\n── ${title} ──`)
      const printer = i === 0 && !flags.json ? new AnswerPrinter(terminal.out) : undefined
      const bar = showProgress(terminal, {
        title: 'Serving',
        total: crowd.length,
        enabled: !printer && !flags.json,
      })
      try {
        const report = await serveCrowd(opened, {
          name: title,
          systemPrompt,
          requests: crowd,
          arrivalsMs: arrivals(crowd.length, gap, seed),
          signal,
          onStart: (i, generation) => {
            if (printed.includes(i)) printer?.add(crowd[i]!.question, generation)
          },
          onFinish: (finished) => bar.update(finished, `${finished} of ${crowd.length} answers`),
        })
        await printer?.done()
        reports.push(report)
      } finally {
        bar.stop()
      }
      say(`${crowd.length} answers in ${reports.at(-1)!.seconds.toFixed(1)} s`)
    }
  } finally {
    model.dispose()
  }

  const file = resolve(flags.out)
  const plot = await memoryPlot(
    reports.flatMap(({ samples }) => samples),
    `KV memory while ${crowd.length} requests are served`,
  )
  await writeFile(file, plot)
  const same = sameAnswers(reports)
  if (flags.json) {
    const runs = reports.map(({ results, ...rest }) => ({
      ...rest,
      answers: results.map(({ text }) => text),
    }))
    writeJson(terminal, {
      model: model.name,
      limitBytes: limit,
      sameAnswers: same,
      plot: file,
      runs,
    })
    return
  }
  say(`\n${reportTable(reports)}`)
  say(`${same} of ${crowd.length} answers are the same, token for token, from all of them.`)
  say(`Memory over time: ${file}`)
  say(`
Go on:
  npx vattention generate "Why is the sky blue?"     one answer, streamed
  npx vattention inspect --shape llama-3-8b          what a cache would look like for a model
  npx vattention demo --limit 64MiB                  the same crowd with too little memory
  docs/guide/contiguous-cache.md                     what you have just seen, with a picture
  examples/attention-only                            the cache and attention in an engine of your own`)
}

function sameAnswers([first, ...others]: readonly CrowdReport[]): number {
  return first!.results.filter(({ tokens }, i) =>
    others.every(({ results }) => {
      const other = results[i]!.tokens
      return tokens.length === other.length && tokens.every((token, k) => token === other[k])
    }),
  ).length
}
