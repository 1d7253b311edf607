import type { NamedShape } from '../../suite/index.ts'
import type { TaskKind } from '../attention/task-work.ts'

/** What attention computes while pages are mapped. */
export interface OverlapTask {
  readonly where: string
  readonly task: TaskKind
  readonly shape: NamedShape
  readonly sequences: number
  /** New ones of each sequence. */
  readonly query: number
  /** In the cache, of each sequence. */
  readonly tokens: number
}
