import {
  describeBlockSizes,
  describeHeadDims,
  describeSizes,
  type AttentionBackend,
  type Capabilities,
} from '@vattention/interface'

const yes = (value: boolean) => (value ? 'yes' : 'no')

/** One name where query and cache have the same type. */
function cacheDtypes({ kvDtypes }: Capabilities): string {
  return kvDtypes
    .map((dtype) => (typeof dtype === 'string' ? dtype : [...new Set(dtype)].join(' → ')))
    .join(', ')
}

/** Rows of the table: what is asked, and the answer from the capability data. */
const rows: readonly (readonly [string, (has: Capabilities) => string])[] = [
  ['device', (has) => (has.deviceType === 'cpu' ? 'CPU' : 'NVIDIA GPU')],
  ['compute capability', (has) => has.computeCapabilities.join(', ') || '-'],
  ['query and output', (has) => has.dtypes.join(', ')],
  ['cache dtypes', cacheDtypes],
  ['head dims', ({ headDims }) => describeHeadDims(headDims)],
  ['query heads per KV head', (has) => describeSizes(has.groupSizes)],
  ['caches', (has) => has.cacheKinds.join(', ')],
  [
    'layouts of a contiguous cache',
    (has) => (has.layouts === 'any' ? 'any' : has.layouts.map(String).join(', ')),
  ],
  ['layouts of a block pool', (has) => has.poolLayouts.join(', ')],
  ['block sizes', (has) => describeBlockSizes(has.blockTokens)],
  ['causal / non-causal', (has) => `${yes(has.causal)} / ${yes(has.nonCausal)}`],
  ['sliding window', (has) => yes(has.slidingWindow)],
  ['soft cap', (has) => yes(has.softCap)],
  ['ALiBi', (has) => yes(has.alibi)],
  ['sinks', (has) => yes(has.sinks)],
  ['LSE', (has) => yes(has.lse)],
  [
    'prefill / decode / mixed',
    (has) => [has.prefill, has.decode, has.mixedBatches].map(yes).join(' / '),
  ],
  ['writes K and V itself', (has) => yes(has.append)],
  ['CUDA graphs', (has) => has.graphLevel],
  ['batch invariant', (has) => has.batchInvariant],
  ['rows read past the end', (has) => String(has.tailRows)],
  ['rows read before a window', (has) => String(has.leadRows)],
  ['longest KV length', (has) => String(has.maxLength)],
]

/** docs/backends.md: what each backend can do, from the data that `validate` uses. */
export function backendsPage(
  backends: readonly Pick<AttentionBackend, 'name' | 'capabilities'>[],
): string {
  const head = `| | ${backends.map(({ name }) => name).join(' | ')} |`
  const rule = `| --- |${backends.map(() => ' --- |').join('')}`
  const body = rows.map(
    ([title, cell]) =>
      `| ${title} | ${backends.map(({ capabilities }) => cell(capabilities)).join(' | ')} |`,
  )
  return `# Backends

<!-- Generated from the capability data: npm run docs:pages. -->

What each backend can do. \`validate(config)\` answers for a configuration, with every reason; this table
and that answer come from the same data. Backends on GPUs are shown as \`npm run build:cuda\` builds them
when nothing else is asked for: \`--arch\`, \`--head-dims\`, \`--dtypes\`, \`--soft-cap\` and \`--fp8\` add
to it, and a backend's \`capabilities\` say what its build has. FlashAttention-3 asks for no rows past the
end, and is faster with 128 of them (its README says when).

${[head, rule, ...body].join('\n')}
`
}
