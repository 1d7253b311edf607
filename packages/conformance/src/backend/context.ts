/** What a backend case runs in. */
import type { CaseContext, ConformanceCase } from '../case.ts'
import type { Memory } from '../memory.ts'
import type { BackendSubject } from '../subject.ts'
import { unmetByBackend, type BackendNeeds, type DescribedConfig } from './needs.ts'
import { Scene, type SceneOptions } from './scene.ts'

/** The subject, and the means to try it. */
export class BackendContext implements CaseContext<BackendNeeds> {
  readonly subject: BackendSubject
  readonly memory: Memory

  constructor(subject: BackendSubject & { readonly memory: Memory }) {
    this.subject = subject
    this.memory = subject.memory
  }

  unmet(needs: BackendNeeds): readonly string[] {
    return unmetByBackend(this.subject, needs)
  }

  /** A cache and a plan; dispose it. */
  scene(config: DescribedConfig, options: SceneOptions): Scene {
    return new Scene(this.subject, this.memory, config, options)
  }
}

/** A case of a backend. */
export type BackendCase = ConformanceCase<BackendContext, BackendNeeds>
