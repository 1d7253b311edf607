import { interleave, ratio, summarize, WrongResult } from '../../harness/index.ts'
import type { Cell, SuiteContext } from '../../suite/index.ts'
import type { NamedCache } from '../../suite/index.ts'
import { promptTokensOf } from '../../traces/index.ts'
import type { Served, ServedModel } from '../serve/served-model.ts'
import type { PeerProgram } from './peer-program.ts'

/** Requests at once, each with so many tokens of prompt and output. */
export interface EngineTask {
  readonly requests: number
  readonly input: number
  /** 1: the prompt's own time is measured. */
  readonly output: number
}

/** What both engines serve. */
export interface EngineCells {
  readonly context: SuiteContext
  readonly model: ServedModel
  /** The file that both read. */
  readonly modelPath: string
  readonly cache: NamedCache
  readonly peer: PeerProgram
  readonly rounds: { readonly most: number; readonly least: number }
}

/** What the other engine is called. */
export const peerEngine = 'node-llama-cpp'
const ours = 'vattention'

/** Its default batch of tokens, and all of a prompt at once: it gets the better one of each task. */
const batchSizes = [512, 1024] as const

/** Both round differently: answers may part where the two best logits are this close. */
const mostMargin = 0.5

/** Greedy tokens that are compared of each prompt. */
const compared = { full: { prompts: 3, tokens: 24 }, quick: { prompts: 1, tokens: 8 } } as const

export const engineTaskName = ({ requests, input, output }: EngineTask): string =>
  output > 1 ? `${requests} x (${input}, ${output})` : `prefill ${input}`

/** Text whose continuation is compared. */
const texts = [
  'The capital of France is',
  'Water boils at a temperature of one hundred degrees, and ice melts at',
  'Once upon a time, there was a little girl who lived in a house near the forest. One day',
]

/** All tasks with both engines, in turns. */
export function engineCell(cells: EngineCells, tasks: readonly EngineTask[]): Cell {
  return {
    name: `engine and ${peerEngine}`,
    weight: tasks.length,
    measure: (budgetMs) => measure(cells, tasks, budgetMs),
  }
}

/** Prompts of random tokens, that share no beginning; others in each round. */
function promptsOf(
  { model, context }: EngineCells,
  task: EngineTask,
  round: number,
): Uint32Array[] {
  const requests = Array.from({ length: task.requests }, () => ({
    promptTokens: task.input,
    outputTokens: task.output,
  }))
  const source = { kind: 'generated', profile: 'equal requests', seed: 0 } as const
  const { vocabularySize } = model
  const options = {
    firstToken: Math.floor(vocabularySize / 64),
    vocabularySize,
    seed: (context.settings.seed + round + 1) % 2 ** 31,
  }
  return requests.map((_, row) =>
    promptTokensOf({ format: 'generated', source, requests }, row, options),
  )
}

async function measure(
  cells: EngineCells,
  tasks: readonly EngineTask[],
  budgetMs: number,
): Promise<void> {
  const { context, model, modelPath, cache, peer, rounds } = cells
  const { clock, random, recorder, signal } = context
  const most = (value: (task: EngineTask) => number) => Math.max(...tasks.map(value))
  const maxLength = most(({ input, output }) => input + output)
  const sequences = most(({ requests }) => requests)
  const candidate = { name: ours, cache, prefixSharing: false }
  const served = await model.open(candidate, {
    limitBytes: 2 ** 30,
    maxSequences: sequences,
    maxLength: Math.max(maxLength, 256),
  })
  try {
    const began = clock.now()
    let loaded: number | undefined
    const load = async (batchSize: number) => {
      if (loaded === batchSize) return
      const about = { model: modelPath, sequences, tokens: maxLength + 8 }
      await peer.ask({ op: 'load', ...about, batchSize })
      loaded = batchSize
    }
    await load(batchSizes[0]!)
    await compareAnswers(cells, served)
    const best = await bestBatchSizes(cells, tasks, load)
    for (const task of tasks) {
      if (signal.aborted) return
      const name = engineTaskName(task)
      // A smoke run has to end, also on a machine that does much else.
      if (context.settings.quick && clock.now() - began > budgetMs) {
        recorder.skip(`${name}: ${peerEngine}`, 'the time was up')
        continue
      }
      const batchSize = best.get(task)!
      await load(batchSize)
      const counts = { [ours]: 0, [peerEngine]: 0 }
      const counted = task.requests * (task.output > 1 ? task.output : task.input)
      const prompts = (engine: keyof typeof counts) => promptsOf(cells, task, counts[engine]++)
      const samples = await interleave({
        subjects: {
          [ours]: async () => {
            const own = prompts(ours)
            const start = clock.now()
            await serve(served, own, task.output)
            return counted / ((clock.now() - start) / 1000)
          },
          [peerEngine]: async () => {
            const own = prompts(peerEngine).map((tokens) => [...tokens])
            const { seconds } = await peer.ask({ op: 'serve', prompts: own, count: task.output })
            return counted / (seconds as number)
          },
        },
        collect: (_, rate) => rate,
        ...rounds,
        warmUp: context.settings.quick ? 0 : 1,
        budgetMs: budgetMs / tasks.length,
        clock,
        random,
        signal,
      })
      const [mine, other] = [samples[ours]!, samples[peerEngine]!]
      if (mine.length === 0) continue
      for (const [engine, rates] of Object.entries(samples)) {
        recorder.add({
          name: `${engine}: ${name}`,
          parameters: {
            engine,
            task: name,
            ...(engine === ours ? { cache: cache.name } : { batchSize }),
          },
          metrics: { tokensPerSecond: summarize(rates, random) },
          samples: { tokensPerSecond: rates },
        })
      }
      recorder.add({
        name: `${name}: ${ours} / ${peerEngine}`,
        parameters: { of: ours, over: peerEngine, task: name },
        metrics: { speedRatio: ratio(mine, other, random) },
      })
    }
  } catch (error) {
    if (signal.aborted) return
    if (error instanceof WrongResult) recorder.refuse(peerEngine, error)
    else recorder.skip(peerEngine, error)
  } finally {
    await served[Symbol.asyncDispose]()
  }
}

async function serve({ engine }: Served, prompts: readonly Uint32Array[], maxTokens: number) {
  const results = await Promise.all(
    prompts.map((tokens) => engine.generate({ tokens, maxTokens, ignoreEos: true }).result),
  )
  for (const { tokens } of results) {
    if (tokens.length !== maxTokens) throw new Error(`${tokens.length} of ${maxTokens} tokens came`)
  }
}

/** The peer's better batch size of each task, from one run with each that makes a difference. */
async function bestBatchSizes(
  cells: EngineCells,
  tasks: readonly EngineTask[],
  load: (batchSize: number) => Promise<unknown>,
): Promise<Map<EngineTask, number>> {
  const [usual, larger] = batchSizes
  const best = new Map<EngineTask, number>(tasks.map((task) => [task, usual]))
  // A larger batch than all of a task's prompts changes nothing.
  const open = tasks.filter(({ requests, input }) => requests * input > usual)
  if (open.length === 0) return best
  const seconds = async (batchSize: number) => {
    await load(batchSize)
    const found = []
    for (const task of open) {
      const prompts = promptsOf(cells, task, -1).map((tokens) => [...tokens])
      const answer = await cells.peer.ask({ op: 'serve', prompts, count: task.output })
      found.push(answer['seconds'] as number)
    }
    return found
  }
  const [of, over] = [await seconds(usual), await seconds(larger)]
  for (const [i, task] of open.entries()) if (over[i]! < of[i]!) best.set(task, larger)
  return best
}

/**
 * Compares greedy answers token by token, until they part where the choice was close.
 *
 * @throws WrongResult when they part elsewhere
 */
async function compareAnswers(
  { context, model, peer }: EngineCells,
  { engine }: Served,
): Promise<void> {
  const { prompts, tokens: maxTokens } = compared[context.settings.quick ? 'quick' : 'full']
  const { encode } = model
  if (!encode) throw new Error('a model without a tokenizer has no text to continue')
  for (const text of texts.slice(0, prompts)) {
    const tokens = encode(text)
    const { logprobs = [] } = await engine.generate({
      tokens,
      maxTokens,
      ignoreEos: true,
      temperature: 0,
      logprobs: 2,
    }).result
    const request = { op: 'generate', prompt: [...tokens], count: maxTokens }
    const found = (await peer.ask(request))['tokens'] as number[]
    const at = logprobs.findIndex(({ token }, i) => token !== found[i])
    if (at < 0 || logprobs[at]!.margin <= mostMargin) continue
    throw new WrongResult(
      `"${text}", token ${at}: ${found[at]} instead of ${logprobs[at]!.token}, ` +
        `which leads by ${logprobs[at]!.margin.toPrecision(3)} logits`,
    )
  }
}
