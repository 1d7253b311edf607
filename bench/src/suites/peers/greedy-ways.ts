import { atLeast } from '../../harness/index.ts'
import { namedCache, type NamedCache } from '../../suite/index.ts'
import type { EngineCells } from './engine-cells.ts'
import { greedyAnswer, partingOf, type GreedyAnswer } from './greedy-answer.ts'
import type { GreedyQuestions } from './greedy-questions.ts'

/** A way of serving that no answer may depend on. */
interface Way {
  /** `paged-16, one after the other` */
  readonly name: string
  readonly cache: NamedCache
  /** All questions at once: the answers are computed in one batch. */
  readonly together: boolean
  /** Memory for all prompts and half of the answers: requests are set back. */
  readonly scarce: boolean
}

const way = (cache: string, how: string, about: Partial<Way> = {}): Way => ({
  ...{ name: `${cache}, ${how}`, cache: namedCache(cache), together: true, scarce: false },
  ...about,
})

const ways: readonly Way[] = [
  way('split', 'all at once'),
  way('paged-16', 'one after the other', { together: false }),
  way('paged-16', 'all at once'),
  // Split, a page of each tensor holds more than an answer, and nothing would run out.
  way('interleaved', 'after preemption', { scarce: true }),
  way('paged-16', 'after preemption', { scarce: true }),
]

/**
 * Memory that all prompts fit into, and half of what their answers add at their largest; undefined
 * when the answers add nothing.
 *
 * @param prompts Tokens of each.
 * @param answers Tokens of each.
 * @param bytesOf Memory of a sequence of so many tokens.
 */
export function scarceBytes(
  prompts: readonly number[],
  answers: readonly number[],
  bytesOf: (tokens: number) => number,
): number | undefined {
  // An answer's last token is drawn, and kept nowhere.
  const held = (step: number) =>
    prompts.reduce((sum, tokens, i) => sum + (answers[i]! > step ? bytesOf(tokens + step) : 0), 0)
  const steps = Array.from({ length: Math.max(...answers) }, (_, step) => step)
  const [first, most] = [held(0), Math.max(...steps.map(held))]
  return most > first ? Math.ceil((first + most) / 2) : undefined
}

/**
 * Answers the questions in other ways than one by one over the cells' cache, and records how many
 * answers are the same: over both kinds of caches, in a batch, and after preemption. A way that
 * answers otherwise is refused.
 *
 * @param reference Answers that were computed one by one.
 */
export async function measureWays(
  cells: EngineCells,
  questions: GreedyQuestions,
  reference: readonly GreedyAnswer[],
): Promise<void> {
  const { context, isJudged } = cells
  const { recorder, signal } = context
  for (const one of ways) {
    if (signal.aborted) return
    const name = `greedy answers: ${one.name}`
    const judge = (same: number | null) => {
      if (isJudged) recorder.bar(atLeast(name, same, questions.asked.length))
    }
    try {
      const limitBytes = limitOf(cells, one, questions, reference)
      const { answers, preemptions } = await answersOf(cells, one, questions, limitBytes)
      const partings = answers.map((answer, i) => partingOf(answer, reference[i]!))
      const same = partings.filter((parting) => parting === undefined).length
      recorder.add({
        name,
        parameters: { part: 'greedy', way: one.name },
        metrics: {
          sameAnswersCount: same,
          answersCount: answers.length,
          preemptionsCount: preemptions,
        },
      })
      const missed = one.scarce && preemptions === 0
      if (missed) recorder.skip(name, 'no request was preempted')
      judge(missed ? null : same)
      const wrong = partings.findIndex((parting) => parting !== undefined)
      if (wrong < 0) continue
      const { at, ours, theirs } = partings[wrong]!
      const { question } = questions.asked[wrong]!
      recorder.refuse(name, `"${question}", token ${at}: ${ours} instead of ${theirs}`)
    } catch (error) {
      if (signal.aborted) return
      recorder.skip(name, error)
      judge(null)
    }
  }
}

function limitOf(
  { model }: EngineCells,
  { cache, scarce }: Way,
  { asked, longest }: GreedyQuestions,
  reference: readonly GreedyAnswer[],
): number {
  const bytesOf = (tokens: number) => model.sequenceBytes(cache, tokens)
  // Twice: caches map ahead, and keep what others may need again.
  if (!scarce) return 2 * asked.length * bytesOf(longest)
  const found = scarceBytes(
    asked.map(({ tokens }) => tokens.length),
    reference.map(({ tokens }) => tokens.length),
    bytesOf,
  )
  if (found === undefined) throw new Error('the answers take no memory beyond that of the prompts')
  return found
}

async function answersOf(
  { model, context: { signal } }: EngineCells,
  { name, cache, together, scarce }: Way,
  { asked, maxTokens, longest }: GreedyQuestions,
  limitBytes: number,
): Promise<{ answers: GreedyAnswer[]; preemptions: number }> {
  // What is shared is not computed again: without it more is set back.
  const candidate = { name, cache, prefixSharing: !scarce }
  const options = { limitBytes, maxSequences: asked.length, maxLength: longest }
  const served = await model.open(candidate, options)
  try {
    const { engine } = served
    const answer = (tokens: Uint32Array) => greedyAnswer(engine, tokens, maxTokens, signal)
    const answers: GreedyAnswer[] = []
    if (together) answers.push(...(await Promise.all(asked.map(({ tokens }) => answer(tokens)))))
    else for (const { tokens } of asked) answers.push(await answer(tokens))
    return { answers, preemptions: engine.metrics().preemptions }
  } finally {
    await served[Symbol.asyncDispose]()
  }
}
