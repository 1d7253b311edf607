import { atLeast, atMost, WrongResult } from '../../harness/index.ts'
import type { Served } from '../serve/served-model.ts'
import { peerEngine, type EngineCells } from './engine-cells.ts'
import { greedyAnswer, partingOf, type GreedyAnswer, type Parting } from './greedy-answer.ts'
import type { GreedyQuestion, GreedyQuestions } from './greedy-questions.ts'
import { measureWays } from './greedy-ways.ts'

/** Both round differently: answers may part where our two best logits are this close. */
const mostMargin = 0.5

/** How one question was answered. */
interface Compared {
  readonly question: string
  /** Whether both make the same tokens of the question. */
  readonly sameInput: boolean
  readonly ours: GreedyAnswer
  readonly parting: Parting | undefined
}

const isWrong = ({ parting }: Compared) => (parting?.ourMargin ?? 0) > mostMargin

/**
 * Asks both engines the same questions, records up to which token they answer the same and how close
 * the choice was where they part, and that our own answers are the same however they are served.
 *
 * @param served Ours, over the cells' cache; the peer has loaded the model.
 * @throws WrongResult when an answer parts from the peer's where the choice was not close
 */
export async function checkGreedy(
  cells: EngineCells,
  served: Served,
  questions: GreedyQuestions,
): Promise<void> {
  const { recorder, signal } = cells.context
  const found: Compared[] = []
  for (const question of questions.asked) {
    signal.throwIfAborted()
    const compared = await compareOne(cells, served, question, questions.maxTokens)
    found.push(compared)
    recordOne(cells, compared)
  }
  const margins = found.map(({ parting }) => parting?.ourMargin ?? 0)
  const sameInputs = found.filter(({ sameInput }) => sameInput).length
  recorder.add({
    name: `greedy answers beside ${peerEngine}`,
    parameters: { part: 'greedy', over: peerEngine },
    metrics: {
      questionsCount: found.length,
      sameInputsCount: sameInputs,
      sameAnswersCount: found.filter(({ parting }) => parting === undefined).length,
      largestMarginLogits: Math.max(...margins),
    },
  })
  if (cells.isJudged) {
    const unit = { unit: 'logits' }
    recorder.bar(
      atMost('largest margin at which greedy answers part', Math.max(...margins), mostMargin, unit),
    )
    recorder.bar(atLeast('prompts of the same tokens', sameInputs, found.length))
  }
  await measureWays(
    cells,
    questions,
    found.map(({ ours }) => ours),
  )
  const wrong = found.find(isWrong)
  if (!wrong) return
  const { at, ours, theirs, ourMargin } = wrong.parting!
  throw new WrongResult(
    `"${wrong.question}", token ${at}: ${theirs} instead of ${ours}, which leads by ${ourMargin!.toPrecision(3)} logits`,
  )
}

async function compareOne(
  { peer, context }: EngineCells,
  { engine }: Served,
  { question, text, tokens }: GreedyQuestion,
  maxTokens: number,
): Promise<Compared> {
  const ours = await greedyAnswer(engine, tokens, maxTokens, context.signal)
  if (ours.tokens.length === 0) throw new WrongResult(`"${question}" is not answered`)
  const input = (await peer.ask({ op: 'tokenize', text }))['tokens'] as number[]
  const request = { op: 'generate', prompt: [...tokens], count: maxTokens }
  const theirs = (await peer.ask(request)) as unknown as GreedyAnswer
  const sameInput = input.join() === tokens.join()
  return { question, sameInput, ours, parting: partingOf(ours, theirs) }
}

function recordOne(
  { context: { recorder }, model }: EngineCells,
  { question, ours, parting }: Compared,
): void {
  const { length } = ours.tokens
  const shown = (token: number | undefined) =>
    token === undefined ? 'the end' : JSON.stringify(model.text!.show(token))
  const how = parting
    ? `parts at token ${parting.at} of ${length}, ${shown(parting.ours)} here and ${shown(parting.theirs)} there`
    : `the same ${length} tokens`
  const margins = parting && {
    marginLogits: parting.ourMargin ?? null,
    peerMarginLogits: parting.theirMargin ?? null,
  }
  recorder.add({
    name: `${question}: ${how}`,
    parameters: { part: 'greedy', question },
    metrics: { sameTokens: parting?.at ?? length, comparedTokens: length, ...margins },
  })
}
