/** Caches with one mistake each: subclasses of the right ones, for the kit to find out. */
import { errors, type Sequence, type StepResult } from '@vattention/interface'

import { SimulatedMemory } from './simulated-memory.ts'
import { JsPagedCache } from './js-paged-cache.ts'
import type { Slot } from './js-kv-cache.ts'

type Make = new (...args: ConstructorParameters<typeof JsPagedCache>) => JsPagedCache

/** Each mistake, and the group of cases in which it must show. */
export const mutantCaches: readonly (readonly [mistake: string, group: string, cache: Make])[] = [
  [
    'a step that fails keeps what it has done so far',
    'steps',
    class extends JsPagedCache {
      override step(sequences: Uint32Array, lengths: Uint32Array): StepResult {
        const result = super.step(sequences, lengths)
        if (result.status === 'outOfMemory' && sequences.length > 1) {
          super.step(sequences.subarray(0, 1), lengths.subarray(0, 1))
        }
        return result
      }
    },
  ],
  [
    'a full pool is an exception',
    'steps',
    class extends JsPagedCache {
      override step(sequences: Uint32Array, lengths: Uint32Array): StepResult {
        const result = super.step(sequences, lengths)
        if (result.status === 'ok') return result
        throw errors.outOfMemory('A step', result.neededBytes, 'Free something.')
      }
    },
  ],
  [
    'outOfMemory does not say how much is missing',
    'steps',
    class extends JsPagedCache {
      override step(sequences: Uint32Array, lengths: Uint32Array): StepResult {
        const result = super.step(sequences, lengths)
        return result.status === 'ok' ? result : { ...result, neededBytes: 0 }
      }
    },
  ],
  [
    'stepAsync reads its arrays later',
    'steps',
    class extends JsPagedCache {
      override async stepAsync(sequences: Uint32Array, lengths: Uint32Array): Promise<StepResult> {
        await Promise.resolve()
        return this.step(sequences, lengths)
      }
    },
  ],
  [
    'handles are slot numbers without a generation',
    'handles',
    class extends JsPagedCache {
      protected override resolve(sequence: Sequence): Slot {
        this.alive()
        const slot = this.slots[sequence & 0xffff]
        if (!slot?.live) throw errors.staleSequence(sequence)
        return slot
      }
    },
  ],
  [
    'each view is another object',
    'handles',
    class extends JsPagedCache {
      override view() {
        return { ...super.view() }
      }
    },
  ],
  [
    'memory is handed on with its contents',
    'contents',
    class extends JsPagedCache {
      protected override zero(): void {
        // forgotten
      }
    },
  ],
  [
    'rows beside the block boundary are another sequence',
    'contents',
    class extends JsPagedCache {
      protected override grow(slot: Slot, length: number): void {
        super.grow(slot, Math.max(0, length - 1))
      }
    },
  ],
  [
    'shared blocks are written',
    'forks',
    class extends JsPagedCache {
      protected override boundaryIsShared(): boolean {
        return false
      }
    },
  ],
  [
    'a fork shows one token less',
    'forks',
    class extends JsPagedCache {
      protected override share(source: Slot, slot: Slot, length: number): void {
        super.share(source, slot, Math.max(0, length - this.blockTokens))
      }
    },
  ],
  [
    'truncating zeroes what others share',
    'forks',
    class extends JsPagedCache {
      protected override shrink(slot: Slot, length: number): void {
        const boundary = this.table(slot)[Math.floor(length / this.blockTokens)]
        if (boundary !== undefined && boundary >= 0) this.zero(boundary, length % this.blockTokens)
        super.shrink(slot, length)
      }
    },
  ],
  [
    'sliding takes one block too many',
    'sliding',
    class extends JsPagedCache {
      protected override drop(slot: Slot, before: number): void {
        super.drop(slot, before + this.blockTokens)
      }
    },
  ],
  [
    'sliding keeps everything',
    'sliding',
    class extends JsPagedCache {
      protected override drop(): void {
        // nothing is given back
      }
    },
  ],
  [
    'freed memory is lost',
    'steps',
    class extends JsPagedCache {
      override free(sequence: Sequence): void {
        this.resolve(sequence).live = false
      }
    },
  ],
  [
    'a lower limit is ignored',
    'limits',
    class extends JsPagedCache {
      override setLimit(bytes: number): void {
        if (bytes > this.limitBytes) super.setLimit(bytes)
        else this.alive()
      }
    },
  ],
  [
    'a disposed cache goes on',
    'disposal',
    class extends JsPagedCache {
      override [Symbol.dispose](): void {
        // goes on
      }
    },
  ],
]

/** The memory of the mutants. */
export const mutantMemory = new SimulatedMemory()
