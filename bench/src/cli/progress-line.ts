import { SingleBar } from 'cli-progress'

import type { OnProgress, Progress } from '../suite/index.ts'
import type { Output } from './output.ts'

/** Shows how far a suite is: a bar on a terminal, a line for each cell elsewhere. */
export interface ProgressLine extends Disposable {
  readonly update: OnProgress
}

const timeLeft = ({ secondsLeft }: Progress) => {
  if (secondsLeft === undefined) return ''
  const seconds = Math.ceil(secondsLeft)
  return seconds < 90 ? `${seconds} s left` : `${Math.round(seconds / 60)} min left`
}

/** Starts to show; disposing it clears the bar. */
export function progressLine(name: string, output: Output): ProgressLine {
  if (!output.terminal) {
    const update = (progress: Progress) => {
      const { cell, index, count } = progress
      if (cell === undefined) return
      output.writeError(`${name} ${index}/${count}: ${cell}, ${timeLeft(progress)}\n`)
    }
    return { update, [Symbol.dispose]: () => undefined }
  }
  const bar = new SingleBar({
    format: `${name} [{bar}] {note}`,
    stream: output.terminal,
    hideCursor: true,
    clearOnComplete: true,
    barsize: 24,
    barCompleteChar: '█',
    barIncompleteChar: '░',
  })
  bar.start(1, 0, { note: '' })
  return {
    update(progress) {
      const { done, cell, index, count } = progress
      const note = cell === undefined ? '' : `${index}/${count} ${cell}, ${timeLeft(progress)}`
      bar.update(done, { note })
    },
    [Symbol.dispose]: () => bar.stop(),
  }
}
