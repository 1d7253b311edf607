import { ContiguousKvCache, hostTensor } from '@vattention/core'
import { createCpuBackend } from '@vattention/cpu'
import {
  selectBackend,
  type AttentionBackend,
  type AttentionPlan,
  type KvCache,
  type Sequence,
} from '@vattention/interface'
import { PagedKvCache } from '@vattention/paged-attention'

/** Small enough to make for each row. */
export const shape = {
  layers: 2,
  kvHeads: 2,
  headDim: 64,
  dtype: 'float32',
  maxSequences: 2,
  maxLength: 256,
  limitBytes: 16 * 2 ** 20,
} as const

/** What a row of the table is tried on: a cache with one sequence of 8 tokens, and a plan over it. */
export interface Subject {
  readonly cache: KvCache
  readonly sequence: Sequence
  readonly backend: AttentionBackend
  readonly plan: AttentionPlan
}

/** Bad input, what it is refused with, and the call. */
export interface BadInput {
  readonly call: string
  readonly input: string
  readonly code: string
  readonly run: (subject: Subject) => unknown
}

const u32 = (...values: number[]) => Uint32Array.from(values)
const tensor = (...dims: number[]) => hostTensor('float32', dims)
const configuration = { queryHeads: 4, dtype: 'float32' } as const
const limits = { maxSequences: 2, maxTokens: 16, maxLength: 256 }
const anything = (value: unknown) => value as never

/** Makes a subject; the caller disposes cache, backend and plan. */
export function makeSubject(kind: 'contiguous' | 'paged'): Subject & Disposable {
  const cache =
    kind === 'contiguous'
      ? new ContiguousKvCache({ ...shape, mapAhead: false })
      : new PagedKvCache(shape)
  const backend = createCpuBackend({ threads: 1 })
  const plan = backend.createPlan({ ...configuration, cache }, limits)
  const { sequence } = cache.allocate()!
  cache.step(u32(sequence), u32(8))
  const dispose = () => [plan, backend, cache].forEach((owner) => owner[Symbol.dispose]())
  return { cache, sequence, backend, plan, [Symbol.dispose]: dispose }
}

const prepared = ({ plan, cache, sequence }: Subject) =>
  plan.prepare({ cache, sequences: u32(sequence), queryLengths: u32(2), kvLengths: u32(8) })

/** The table. */
export const badInputs: readonly BadInput[] = [
  {
    call: 'new ContiguousKvCache',
    input: 'a missing, a wrong and an unknown option',
    code: 'ERR_VATTENTION_INVALID_OPTIONS',
    run: () =>
      new ContiguousKvCache(anything({ ...shape, layers: 0, limitBytes: undefined, colour: 1 })),
  },
  {
    call: 'new ContiguousKvCache',
    input: 'a GPU that this machine does not have',
    code: 'ERR_VATTENTION_UNSUPPORTED',
    run: () => new ContiguousKvCache({ ...shape, device: { type: 'cuda', index: 1000 } }),
  },
  {
    call: 'new ContiguousKvCache',
    input: 'page sizes that are no multiples of the granularity',
    code: 'ERR_VATTENTION_INVALID_OPTIONS',
    run: () => new ContiguousKvCache({ ...shape, pageBytes: [5000] }),
  },
  {
    call: 'new PagedKvCache',
    input: 'a block size that does not exist',
    code: 'ERR_VATTENTION_INVALID_OPTIONS',
    run: () => new PagedKvCache({ ...shape, blockTokens: 12 }),
  },
  {
    call: 'step',
    input: 'a sequence that was freed',
    code: 'ERR_VATTENTION_STALE_SEQUENCE',
    run: ({ cache, sequence }) => {
      const { sequence: gone } = cache.allocate()!
      cache.free(gone)
      cache.step(u32(sequence, gone), u32(200, 1))
    },
  },
  {
    call: 'step',
    input: 'a number that never was a sequence',
    code: 'ERR_VATTENTION_STALE_SEQUENCE',
    run: ({ cache }) => cache.step(u32(0), u32(1)),
  },
  {
    call: 'step',
    input: 'a length above maxLength',
    code: 'ERR_VATTENTION_INVALID_ARGUMENT',
    run: ({ cache, sequence }) => cache.step(u32(sequence), u32(257)),
  },
  {
    call: 'step',
    input: 'a length below the one that is backed',
    code: 'ERR_VATTENTION_INVALID_ARGUMENT',
    run: ({ cache, sequence }) => cache.step(u32(sequence), u32(7)),
  },
  {
    call: 'step',
    input: 'the same sequence twice',
    code: 'ERR_VATTENTION_INVALID_ARGUMENT',
    run: ({ cache, sequence }) => cache.step(u32(sequence, sequence), u32(9, 10)),
  },
  {
    call: 'step',
    input: 'arrays of different lengths',
    code: 'ERR_VATTENTION_INVALID_ARGUMENT',
    run: ({ cache, sequence }) => cache.step(u32(sequence), u32(9, 10)),
  },
  {
    call: 'step',
    input: 'a plain array',
    code: 'ERR_VATTENTION_INVALID_ARGUMENT',
    run: ({ cache, sequence }) => cache.step(anything([sequence]), u32(9)),
  },
  {
    call: 'fork',
    input: 'more tokens than the source has',
    code: 'ERR_VATTENTION_INVALID_ARGUMENT',
    run: ({ cache, sequence }) => cache.fork(sequence, 9),
  },
  {
    call: 'truncate',
    input: 'a length above what is there',
    code: 'ERR_VATTENTION_INVALID_ARGUMENT',
    run: ({ cache, sequence }) => cache.truncate(sequence, 9),
  },
  {
    call: 'publish',
    input: 'more tokens than are backed',
    code: 'ERR_VATTENTION_INVALID_ARGUMENT',
    run: ({ cache, sequence }) => cache.publish(sequence, new Uint32Array(32)),
  },
  {
    call: 'free',
    input: 'twice',
    code: 'ERR_VATTENTION_STALE_SEQUENCE',
    run: ({ cache }) => {
      const { sequence } = cache.allocate()!
      cache.free(sequence)
      cache.free(sequence)
    },
  },
  {
    call: 'setLimit',
    input: 'no size',
    code: 'ERR_VATTENTION_INVALID_ARGUMENT',
    run: ({ cache }) => cache.setLimit(-1),
  },
  {
    call: 'createPlan',
    input: 'query heads that are no multiple of the KV heads, and a window of 0',
    code: 'ERR_VATTENTION_BACKEND_UNSUPPORTED',
    run: ({ backend, cache }) =>
      backend.createPlan({ ...configuration, cache, queryHeads: 3, window: 0 }, limits),
  },
  {
    call: 'selectBackend',
    input: 'a name that nobody has',
    code: 'ERR_VATTENTION_UNKNOWN_BACKEND',
    run: ({ backend, cache }) =>
      selectBackend({ ...configuration, cache }, [backend], { name: 'flash-attention-9' }),
  },
  {
    call: 'prepare',
    input: 'a KV length beyond what step backed',
    code: 'ERR_VATTENTION_INVALID_BATCH',
    run: ({ plan, cache, sequence }) =>
      plan.prepare({ cache, sequences: u32(sequence), queryLengths: u32(1), kvLengths: u32(9) }),
  },
  {
    call: 'prepare',
    input: 'more rows than the plan was made for',
    code: 'ERR_VATTENTION_INVALID_BATCH',
    run: ({ plan, cache, sequence }) =>
      plan.prepare({ cache, sequences: u32(sequence), queryLengths: u32(17), kvLengths: u32(17) }),
  },
  {
    call: 'run',
    input: 'before prepare',
    code: 'ERR_VATTENTION_NOT_PREPARED',
    run: ({ plan }) => plan.run({ layer: 0, query: tensor(2, 4, 64), output: tensor(2, 4, 64) }),
  },
  {
    call: 'run',
    input: 'a layer that does not exist, a query of another shape, a key without a value',
    code: 'ERR_VATTENTION_INVALID_TENSOR',
    run: (subject) => {
      prepared(subject)
      subject.plan.run({
        layer: 2,
        query: tensor(3, 4, 64),
        key: tensor(2, 2, 64),
        output: tensor(2, 4, 64),
      })
    },
  },
  {
    call: 'run',
    input: 'a disposed plan',
    code: 'ERR_VATTENTION_DISPOSED',
    run: (subject) => {
      prepared(subject)
      subject.plan[Symbol.dispose]()
      subject.plan.run({ layer: 0, query: tensor(2, 4, 64), output: tensor(2, 4, 64) })
    },
  },
  {
    call: 'merge',
    input: 'no partials',
    code: 'ERR_VATTENTION_INVALID_TENSOR',
    run: ({ backend }) => backend.merge([], { output: tensor(2, 4, 64) }),
  },
]

/** docs/bad-input.md. */
export function badInputPage(): string {
  const rows = badInputs.map(({ call, input, code }) => `| \`${call}\` | ${input} | \`${code}\` |`)
  return `# Bad input

<!-- Generated from the table that the tests run: npm run docs:pages. -->

What is refused, and with which error. Nothing changes: no page is mapped, no row is written, the next
good call works. The tests run every row on both caches.

| call | input | error |
| --- | --- | --- |
${rows.join('\n')}
`
}
