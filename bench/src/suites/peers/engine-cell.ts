import { atLeast, interleave, ratio, summarize, WrongResult } from '../../harness/index.ts'
import type { Cell } from '../../suite/index.ts'
import { promptTokensOf } from '../../traces/index.ts'
import type { Served } from '../serve/served-model.ts'
import { ownEngine, peerEngine, type EngineCells } from './engine-cells.ts'
import { checkGreedy } from './greedy-check.ts'
import { greedyQuestions, type GreedyQuestions } from './greedy-questions.ts'

/** Requests at once, each with so many tokens of prompt and output. */
export interface EngineTask {
  readonly requests: number
  readonly input: number
  /** 1: the prompt's own time is measured. */
  readonly output: number
}

/** Its default batch of tokens, and all of a prompt at once: it gets the better one of each task. */
const batchSizes = [512, 1024] as const

/** Our tokens a second over the other engine's, by task. */
const required: Readonly<Record<string, number>> = {
  '8 x (128, 128)': 3.5,
  '1 x (128, 128)': 1.1,
  'prefill 1024': 3,
}

export const engineTaskName = ({ requests, input, output }: EngineTask): string =>
  output > 1 ? `${requests} x (${input}, ${output})` : `prefill ${input}`

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
  const { context, model, modelPath, cache, peer, rounds, isJudged, threads } = cells
  const { clock, random, recorder, signal, glance } = context
  let questions: GreedyQuestions
  try {
    questions = greedyQuestions(cells)
  } catch (error) {
    recorder.skip(peerEngine, error)
    return
  }
  const most = (value: (task: EngineTask) => number) => Math.max(...tasks.map(value))
  const maxLength = Math.max(
    most(({ input, output }) => input + output),
    questions.longest,
  )
  const sequences = most(({ requests }) => requests)
  const candidate = { name: ownEngine, cache, prefixSharing: false }
  const served = await model.open(candidate, {
    limitBytes: 2 ** 30,
    maxSequences: sequences,
    maxLength,
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
    await checkGreedy(cells, served, questions)
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
      const counts = { [ownEngine]: 0, [peerEngine]: 0 }
      const counted = task.requests * (task.output > 1 ? task.output : task.input)
      const prompts = (engine: keyof typeof counts) => promptsOf(cells, task, counts[engine]++)
      const samples = await interleave({
        subjects: {
          [ownEngine]: async () => {
            const own = prompts(ownEngine)
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
        glance,
      })
      const [mine, other] = [samples[ownEngine]!, samples[peerEngine]!]
      if (mine.length === 0) continue
      for (const [engine, rates] of Object.entries(samples)) {
        recorder.add({
          name: `${engine}: ${name}`,
          parameters: {
            engine,
            task: name,
            ...(engine === ownEngine && { cache: cache.name }),
          },
          // Which size is faster is found out, and may be another one in the next run.
          metrics: {
            tokensPerSecond: summarize(rates, random),
            ...(engine !== ownEngine && { batchTokens: batchSize }),
          },
          samples: { tokensPerSecond: rates },
        })
      }
      const compared = `${name}: ${ownEngine} / ${peerEngine}`
      const speedRatio = ratio(mine, other, random)
      recorder.add({
        name: compared,
        parameters: { of: ownEngine, over: peerEngine, task: name },
        metrics: { speedRatio },
      })
      const bar = required[name]
      if (!isJudged || bar === undefined) continue
      recorder.bar(atLeast(compared, speedRatio, bar, { note: `${threads} threads` }))
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
