import type { NamedCache, SuiteContext } from '../../suite/index.ts'
import type { ServedModel } from '../serve/served-model.ts'
import type { PeerProgram } from './peer-program.ts'

/** What both engines serve. */
export interface EngineCells {
  readonly context: SuiteContext
  readonly model: ServedModel
  /** The file that both read. */
  readonly modelPath: string
  readonly cache: NamedCache
  readonly peer: PeerProgram
  readonly rounds: { readonly most: number; readonly least: number }
  /** Of both. */
  readonly threads: number
  /** Whether it is a full run of the model that the bars are for. */
  readonly isJudged: boolean
}

/** What the other engine is called. */
export const peerEngine = 'node-llama-cpp'

/** What ours is called. */
export const ownEngine = 'vattention'
