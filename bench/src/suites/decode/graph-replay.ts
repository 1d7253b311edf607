import { capture } from '@vattention/core'
import type { AttentionPass } from '../../harness/index.ts'
import { Subject, WrongResult, type TimedSubject } from '../../harness/index.ts'
import type { AttentionBench } from '../attention/attention-bench.ts'
import type { LiveSubject } from '../attention/attention-cell.ts'
import type { LiveCell } from '../attention/live-cell.ts'

/** A decode pass through some layers as one CUDA graph. */
export interface GraphReplay {
  /** Of the samples: `fa3 interleaved graph`. */
  readonly name: string
  /** Whose graph it is. */
  readonly of: LiveSubject
  readonly timed: TimedSubject
  /** Layers that one replay runs. */
  readonly layers: number
  close(): void
}

/**
 * Captures the first contiguous subject of each backend, and the first of one that has none. What
 * cannot be captured is recorded as skipped, what replays something else than attention as refused.
 */
export async function openReplays(
  bench: AttentionBench,
  live: LiveCell,
  pass: AttentionPass,
  where: string,
): Promise<GraphReplay[]> {
  const { device, recorder } = bench.context
  const found: GraphReplay[] = []
  if (!device.stream) return found
  for (const backend of new Set(live.subjects.map((one) => one.backend))) {
    if (backend.capabilities.graphLevel === 'never') continue
    const own = live.subjects.filter((one) => one.backend === backend)
    const of = own.find(({ cache }) => cache.kind === 'contiguous') ?? own[0]!
    const name = `${of.name} graph`
    try {
      found.push(await openReplay(bench, live, of, pass, name))
    } catch (error) {
      if (error instanceof WrongResult) recorder.refuse(`${where}: ${name}`, error)
      else recorder.skip(`${where}: ${name}`, error)
    }
  }
  return found
}

async function openReplay(
  { context: { device } }: AttentionBench,
  live: LiveCell,
  of: LiveSubject,
  pass: AttentionPass,
  name: string,
): Promise<GraphReplay> {
  const stream = device.stream!
  const { backend, cache, timed } = of
  const { layers } = timed
  const filled = live.filled(cache)
  const maxTokens = filled.sequences
  const subject = new Subject({ device, backend, filled, rows: live.rows, maxTokens, graph: true })
  try {
    subject.prepare(pass)
    // What is done once, at the first launch, is no part of a graph.
    for (let layer = 0; layer < layers; layer++) subject.run(layer)
    await device.synchronize()
    subject.prepare(pass)
    const graph = capture(stream, () => {
      for (let layer = 0; layer < layers; layer++) subject.run(layer)
    })
    try {
      // The output holds another layer's, until the replay has written that of the last.
      of.subject.run(0)
      graph.replay(stream)
      await device.synchronize()
      subject.compare({ layer: layers - 1, thorough: true })
    } catch (error) {
      graph[Symbol.dispose]()
      throw error
    }
    return {
      name,
      of,
      layers,
      timed: {
        subject: { run: () => graph.replay(stream) },
        layers: 1,
        launches: Math.max(1, Math.ceil(timed.launches / layers)),
      },
      close() {
        graph[Symbol.dispose]()
        subject[Symbol.dispose]()
      },
    }
  } catch (error) {
    await device.synchronize()
    subject[Symbol.dispose]()
    throw error
  }
}
