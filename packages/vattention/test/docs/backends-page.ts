import {
  describeBlockSizes,
  describeHeadDims,
  describeSizes,
  type AttentionBackend,
  type Capabilities,
} from '@vattention/interface'

const yes = (value: boolean) => (value ? 'yes' : 'no')

/** Rows of the table: what is asked, and the answer from the capability data. */
const rows: readonly (readonly [string, (has: Capabilities) => string])[] = [
  ['device', (has) => [has.deviceType, ...has.computeCapabilities].join(' ')],
  ['query and output', (has) => has.dtypes.join(', ')],
  [
    'cache dtypes',
    (has) =>
      has.kvDtypes
        .map((dtype) => (typeof dtype === 'string' ? dtype : dtype.join(' → ')))
        .join(', '),
  ],
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
and that answer come from the same data.

${[head, rule, ...body].join('\n')}
`
}
