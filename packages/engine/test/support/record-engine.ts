/** An engine over a `RecordCache` and a `RecordModel`, and what tests ask of it. */
import { onTestFinished } from 'vitest'

import { Engine } from '../../src/engine/engine.ts'
import type { EngineParts } from '../../src/engine/engine-options.ts'
import type { EngineEvent } from '../../src/engine/event.ts'
import { random } from './random.ts'
import { RecordCache, type RecordCacheOptions } from './record-cache.ts'
import { RecordModel, type NextToken } from './record-model.ts'

/** Options of `recordEngine`. */
export interface RecordEngineOptions extends Partial<Omit<EngineParts, 'runner' | 'cache'>> {
  readonly cache?: RecordCacheOptions
  readonly next?: NextToken
}

/** Makes one, disposed with the test. */
export function recordEngine({
  cache: cacheOptions,
  next,
  onEvent,
  ...parts
}: RecordEngineOptions = {}) {
  const vocabularySize = parts.vocabularySize ?? 1000
  const cache = new RecordCache(cacheOptions ?? { blocks: 256 })
  const model = new RecordModel(cache, vocabularySize, next)
  const events: EngineEvent[] = []
  const engine = new Engine({
    name: 'record model',
    contextLength: cache.shape.maxLength,
    ...parts,
    vocabularySize,
    runner: model,
    cache,
    onEvent: (event) => {
      events.push(event)
      onEvent?.(event)
    },
  })
  onTestFinished(() => engine.dispose())
  const eventsOf = <Kind extends EngineEvent['kind']>(kind: Kind) =>
    events.filter((event): event is Extract<EngineEvent, { kind: Kind }> => event.kind === kind)
  return { engine, cache, model, events, eventsOf }
}

/** A prompt of random tokens below 1000. */
export function randomPrompt(seed: number, length: number): number[] {
  const next = random(seed)
  return Array.from({ length }, () => Math.floor(next() * 1000))
}
