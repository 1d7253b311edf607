/** The usual case: sequences with a past, one pass over them, compared with the reference. */
import type { Capabilities } from '@vattention/interface'

import type { BackendCase } from './context.ts'
import type { BackendNeeds, CapabilityFlag, DescribedConfig } from './needs.ts'
import { doPass, type PassOptions } from './pass.ts'
import type { SceneOptions } from './scene.ts'

/** `[query length, KV length]` of a sequence in a batch. */
export type Lengths = readonly [query: number, kv: number]

/** What a pass case is made from. */
export interface PassCase {
  readonly group: string
  readonly name: string
  readonly config: DescribedConfig
  readonly batch: readonly Lengths[]
  readonly pass?: PassOptions
  readonly scene?: Partial<SceneOptions>
  readonly combination?: boolean
}

const prompts: readonly Lengths[] = [
  [5, 37],
  [17, 17],
  [70, 70],
]
const decodes: readonly Lengths[] = [
  [1, 130],
  [1, 1],
  [1, 64],
]

/** A batch with something of everything that is declared, small enough for a grid of it. */
export function smallBatch(capabilities: Capabilities): readonly Lengths[] {
  const { prefill, decode, mixedBatches } = capabilities
  if (prefill && decode && mixedBatches) {
    return prompts.flatMap((prompt, i) => [prompt, decodes[i]!])
  }
  return prefill ? prompts : decodes
}

/** The capabilities that a batch takes. */
export function batchFlags(
  batch: readonly Lengths[],
  appending?: PassOptions['appending'],
): CapabilityFlag[] {
  const prefill = batch.some(([query]) => query > 1)
  const decode = batch.some(([query]) => query === 1)
  return [
    ...(prefill ? ['prefill' as const] : []),
    ...(decode ? ['decode' as const] : []),
    ...(prefill && decode ? ['mixedBatches' as const] : []),
    ...(appending === 'run' || appending === 'append' ? ['append' as const] : []),
  ]
}

/** Makes the case. Sequences hold `kv - query` tokens before the pass. */
export function passCase(options: PassCase): BackendCase {
  const { group, name, config, batch, pass, combination = false } = options
  const needs: BackendNeeds = {
    configs: [config],
    flags: batchFlags(batch, pass?.appending),
    longest: Math.max(1, ...batch.map(([, kv]) => kv)),
    combination,
  }
  return {
    group,
    name: `${group}: ${name} (${config.cache.kind})`,
    needs,
    async run(context) {
      using scene = context.scene(config, {
        lengths: batch.map(([query, kv]) => Math.max(query, kv)),
        tokens: batch.reduce((sum, [query]) => sum + query, 0),
        ...options.scene,
      })
      const work = batch.map(([queryLength, kvLength]) => ({
        sequence: scene.add(Math.max(0, kvLength - queryLength)),
        queryLength,
        kvLength,
      }))
      await doPass(scene, work, pass)
    },
  }
}
