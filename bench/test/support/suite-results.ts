// Results as the suites write them, with numbers that are told from each other.
import type { Latencies, MeasuredCase, Result, Summary } from '../../src/index.ts'
import { resultOf } from './result.ts'

type Parameters = MeasuredCase['parameters']
type Metrics = MeasuredCase['metrics']

/** A median with an interval of a tenth to each side. */
export const summary = (median: number): Summary => ({
  n: 20,
  median,
  low: median * 0.9,
  high: median * 1.1,
})

/** Percentiles: p99 is four times p50. */
export const latencies = (p50: number): Latencies => ({
  n: 2000,
  p50,
  p90: 2 * p50,
  p99: 4 * p50,
  max: 8 * p50,
})

const one = (
  name: string,
  parameters: Parameters,
  metrics: Metrics,
  samples?: MeasuredCase['samples'],
): MeasuredCase => ({ name, parameters, metrics, ...(samples && { samples }) })

const ratio = (of: string, over: string, value: number, parameters: Parameters): MeasuredCase =>
  one(
    `${JSON.stringify(parameters)}: ${of} / ${over}`,
    { of, over, ...parameters },
    { speedRatio: summary(value) },
  )

const shape = 'llama-3-8b'
const attention: Result['workload'] = {
  shapes: [{ name: shape, layers: 32, queryHeads: 32, kvHeads: 8, headDim: 128 }],
  dtype: 'bfloat16',
}
const of = (bench: string, cases: MeasuredCase[], more: Partial<Result> = {}): Result =>
  resultOf(cases, { bench, what: `Suite ${bench}.`, ...more })

export const vmmResult = () =>
  of('vmm', [
    ...[
      [2 ** 16, '64 KiB', 1, 5],
      [2 ** 21, '2 MiB', 1, 50],
      [2 ** 16, '16 x 64 KiB', 16, 48],
    ].map(([pageBytes, round, handles, us]) =>
      one(
        `mapAndSetAccess, ${round}`,
        {
          part: 'calls',
          call: 'mapAndSetAccess',
          pageBytes: pageBytes!,
          handles: handles!,
          round: round!,
        },
        { callUs: latencies(Number(us)), pageUs: latencies(Number(us) / Number(handles)) },
      ),
    ),
    one(
      'live mappings',
      { part: 'ceiling', end: 'driver', driverCall: 'mmap', driverCode: 12 },
      { liveMappingsCount: 65_440, capCount: 600_000, limitCount: 65_530, processCount: 90 },
    ),
  ])

export const allocateResult = () =>
  of('allocate', [
    ...[512, 2048].flatMap((tokens) =>
      [
        ['split', '64 KiB only', 'fresh', 2],
        ['split', 'default', 'recycled', 200],
        ['paged-16', 'none: blocks of a pool', 'pool', 20],
      ].map(([cache, pageClasses, memory, rate]) =>
        one(
          `prompts of ${tokens}, ${cache} ${memory}`,
          {
            part: 'prompts',
            tokens,
            shape,
            cache: cache!,
            pageClasses: pageClasses!,
            memory: memory!,
          },
          {
            stepGbPerSecond: summary(Number(rate)),
            readyGbPerSecond: summary((Number(rate) * tokens) / 512),
          },
        ),
      ),
    ),
    one(
      'KV growth',
      { part: 'demand', shape, phase: 'decode, 64 sequences', basis: 'given' },
      { growthGbPerSecond: 0.5, modelTokensPerSecond: 4000, tokenBytes: 131_072 },
    ),
  ])

const variants = [
  ['split', true, 256, 4],
  ['split', false, 0, 40],
  ['paged-16', null, 0, 8],
] as const

export const stepResult = () =>
  of('step', [
    ...['nothing to map', 'turnover'].flatMap((load) =>
      variants.map(([cache, mapper, aheadTokens, us]) =>
        one(
          `${load}: ${cache} ${mapper}`,
          { part: 'steps', load, sequences: 64, shape, cache, mapper, aheadTokens },
          { stepUs: latencies(us) },
        ),
      ),
    ),
    ...['split/2MiB', 'interleaved/2MiB'].flatMap((cache) =>
      [true, false].map((mapper) =>
        one(
          `iterations: ${cache} ${mapper}`,
          {
            part: 'iterations',
            load: 'iterations',
            sequences: 4,
            shape,
            cache,
            mapper,
            aheadTokens: mapper ? 256 : 0,
          },
          { stepUs: latencies(5), pageTokens: cache.startsWith('split') ? 1024 : 16 },
          { stepUs: mapper ? [5, 5, 5, 5] : [5, 5000, 5, 50] },
        ),
      ),
    ),
    ...[
      ['split', 300],
      ['paged-16', 30],
    ].map(([cache, us]) =>
      one(
        `${cache}: fork`,
        { part: 'calls', call: 'fork at 1000, step, free', cache: cache!, shape },
        { callUs: latencies(Number(us)) },
      ),
    ),
  ])

export const layoutResult = () =>
  of(
    'layout',
    [
      ...(['decode', 'prefill'] as const).flatMap((task) => {
        const about = { shape, task, sequences: task === 'decode' ? 4 : 1, tokens: 2048 }
        return [
          one(
            `split, ${task}`,
            { backend: 'cpu', cache: 'split', page: '2MiB', ...about },
            task === 'decode' ? { gbPerSecond: summary(20) } : { gflops: summary(90) },
          ),
          ratio('cpu interleaved/2MiB', 'cpu split/2MiB', task === 'decode' ? 0.5 : 0.9, about),
          ratio('cpu split/2MiB', 'cpu split/64KiB', 1.25, about),
        ]
      }),
    ],
    { workload: attention },
  )

export const prefillResult = () =>
  of(
    'prefill',
    [
      ...[512, 1024].flatMap((tokens) => [
        ...['split', 'paged 16'].map((cache) =>
          one(
            `cpu ${cache}, ${tokens}`,
            { backend: 'cpu', cache, shape, tokens, phase: 'rounds' },
            { gflops: summary((cache === 'split' ? 80 : 60) + tokens / 512) },
          ),
        ),
        ratio('cpu split', 'cpu paged 16', 1.2, { shape, tokens }),
      ]),
      one(
        'a chunk',
        { backend: 'cpu', cache: 'split', shape, tokens: 1024, chunk: 256, phase: 'chunk' },
        { gflops: summary(70) },
      ),
      one(
        'a chunk beside others',
        {
          backend: 'cpu',
          cache: 'split',
          shape,
          tokens: 512,
          chunk: 128,
          sequences: 5,
          phase: 'mixed',
        },
        { gflops: summary(50) },
      ),
      one(
        'a chunk: cpu split / cpu paged 16',
        { of: 'cpu split', over: 'cpu paged 16', shape, tokens: 1024, chunk: 256 },
        { chunkSpeedRatio: summary(1.5) },
      ),
    ],
    { workload: attention },
  )

export const decodeResult = () => {
  const batch = { shape, sequences: 4, tokens: 1024 }
  return of(
    'decode',
    [
      one('split', { backend: 'cpu', cache: 'split', ...batch }, { gbPerSecond: summary(16) }),
      one(
        'paged',
        { backend: 'cpu', cache: 'paged 16', ...batch },
        { gbPerSecond: summary(12), graphGbPerSecond: summary(14) },
      ),
      one('read', { memory: 'sequential read', ...batch }, { readGbPerSecond: summary(20) }),
      ratio('cpu split', 'cpu paged 16', 1.3, batch),
      ratio('cpu split', 'sequential read', 0.8, batch),
      ratio('cpu split', 'paged-attention blocks 16', 3, batch),
    ],
    { workload: attention },
  )
}

export const fragmentationResult = () => {
  const about = { trace: 'azure-2023-conv', shape }
  const mib = (values: readonly number[]) => values.map((value) => value * 2 ** 20)
  return of('fragmentation', [
    ...[
      ['interleaved', 65],
      ['paged-16', 60],
      ['static', 20],
    ].flatMap(([cache, sequences]) => [
      one(
        `${cache}`,
        { part: 'trace', ...about, cache: cache!, sharing: false },
        { mappedUseShare: 0.5 },
        {
          seconds: [0, 1, 2],
          totalBytes: mib([100, 200, 200]),
          mappedBytes: mib([90, 150, 120]),
          usedBytes: mib([80, 110, 40]),
        },
      ),
      one(
        `${cache}, largest batch`,
        { part: 'max-batch', ...about, cache: cache!, sharing: false, limitedBy: 'memory' },
        { sequencesCount: Number(sequences), limitBytes: 2 ** 28 },
      ),
      one(
        `${cache}, computed`,
        { part: 'computed', trace: 'azure-2023-conv', shape: 'yi-6b', cache: cache! },
        { sequencesCount: 10 * Number(sequences), limitBytes: 60 * 2 ** 30 },
      ),
    ]),
    one(
      'waste, interleaved',
      { part: 'waste', cache: 'interleaved', sequences: 16, shape },
      { worstSequenceWasteBytes: 63 * 1024, boundBytes: 64 * 1024 },
    ),
  ])
}

export const prefixResult = () =>
  of(
    'prefix',
    [
      ['interleaved', 0.3],
      ['paged-16', 0.35],
    ].flatMap(([cache, share]) =>
      [true, false].map((sharing) =>
        one(
          `${cache} ${sharing}`,
          {
            part: 'prefix',
            trace: 'mooncake-conversation',
            cache: cache!,
            sharing,
            memoryShare: 1,
            shape,
          },
          {
            tokenHitShare: sharing ? Number(share) : 0,
            ceilingShare: 0.4,
            ceilingInMemoryShare: 0.38,
            admitUs: latencies(100),
            ...(sharing && { admitHitUs: latencies(200) }),
            admitMissUs: latencies(50),
            copiedBytes: sharing && cache === 'interleaved' ? 30 * 2 ** 20 : 0,
          },
        ),
      ),
    ),
  )

export const overlapResult = () =>
  of(
    'overlap',
    (
      [
        ['decode', 4, 2048, 1.25],
        ['prefill', 1, 1024, 0.75],
      ] as const
    ).flatMap(([task, sequences, tokens, unthrottled]) =>
      (
        [
          ['none', 1, null],
          ['demand', 1.125, 0.05],
          ['unthrottled', unthrottled, sequences],
        ] as const
      ).map(([mapping, times, mapped]) =>
        one(
          `cpu split, ${task} beside ${mapping}`,
          { backend: 'cpu', cache: 'split', shape, task, sequences, tokens, mapping },
          {
            timeRatio: summary(times),
            ms: summary(10 * times),
            quietMs: summary(10),
            ...(mapped !== null && {
              mappedGbPerSecond: summary(mapped),
              unmappedGbPerSecond: summary(mapped),
            }),
          },
        ),
      ),
    ),
    { workload: attention },
  )

export const launchResult = () =>
  of(
    'launch',
    ['prefill 16K', 'decode 16x16K'].flatMap((task, i) => {
      const about = { task, backend: 'flash-attention-3', kernel: 'a kernel' }
      return [
        one(`${task}: raw`, { ...about, subject: 'raw' }, { ms: summary(3) }),
        ratio('cudaMalloc', 'raw', 1.05 + i / 10, about),
        ratio('pages', 'cudaMalloc', 0.85 - i / 10, about),
      ]
    }),
  )

export const overheadResult = () =>
  of('overhead', [
    one(
      'fa3',
      { backend: 'fa3', cache: 'interleaved', sequences: 256, tokens: 64, layers: 32, shape },
      {
        stepUs: summary(20),
        prepareUs: summary(60),
        runUs: summary(340),
        layerUs: summary(10),
        totalUs: summary(400),
        nativeTotalUs: summary(300),
        nativeLayerUs: summary(8),
        graphTotalUs: summary(80),
      },
    ),
    ...[1, 64].map((sequences) =>
      one(
        `plan.run of ${sequences}`,
        { part: 'call', backend: 'cpu', cache: 'split', sequences, shape },
        {
          callUs: summary(sequences === 1 ? 1.25 : 1.5),
          nativeCallUs: summary(sequences === 1 ? 0.25 : 0.5),
        },
      ),
    ),
  ])

export const served = (
  cache: string,
  prefixSharing: boolean,
  parameters: Parameters,
  by: number,
  arrivals = 4.4,
) =>
  one(
    `${JSON.stringify(parameters)}: ${cache} ${prefixSharing}`,
    { trace: 'azure-2023-conv', ...parameters, backend: 'cpu', cache, prefixSharing },
    {
      makespanSeconds: summary(10 * by),
      requestsPerSecond: summary(5 / by),
      outputTokensPerSecond: summary(1000 / by),
      ttftMs: latencies(100 * by),
      tpotMs: latencies(20 * by),
      itlMs: latencies(18 * by),
      e2eMs: latencies(900 * by),
      goodputRequestsPerSecond: summary(4 / by),
      achievedArrivalsPerSecond: summary(arrivals),
    },
  )

export const serveOfflineResult = () => {
  const memory = { arrivals: 'offline', memory: 'ample memory' }
  return of('serve-offline', [
    served('split', true, memory, 1),
    served('split', false, memory, 1.5),
    served('paged-16', false, memory, 2),
    ratio('split, no sharing', 'paged-16, no sharing', 1.33, {
      trace: 'azure-2023-conv',
      ...memory,
    }),
  ])
}

export const serveOnlineResult = () => {
  const load = { arrivals: 'poisson', load: 0.7 }
  return of(
    'serve-online',
    [
      served('split', true, load, 1),
      served('paged-16', true, load, 2),
      ratio('split, sharing', 'paged-16, sharing', 2, { trace: 'azure-2023-conv', ...load }),
      one(
        'event loop, 32 requests at once',
        {
          ...{ part: 'event loop', requests: 32, outputTokens: 128 },
          ...{ cache: 'split', prefixSharing: true, threads: 2 },
        },
        { eventLoopDelayMs: latencies(0.5), outputTokensPerSecond: 150 },
      ),
    ],
    { protocol: { serviceLevel: { ttftSeconds: 2, tpotSeconds: 0.1 } } },
  )
}

export const peersResult = () => {
  const prompt = { task: 'prefill', sequences: 1, tokens: 512 }
  const batch = { task: 'decode', sequences: 4, tokens: 1024 }
  return of('peers', [
    one(
      'ours',
      { backend: 'cpu', cache: 'split', ...prompt, phase: 'rounds' },
      {
        gflops: summary(90),
      },
    ),
    one(
      'theirs',
      { backend: 'onnxruntime', cache: 'gqa', ...prompt, phase: 'rounds' },
      {
        gflops: summary(60),
      },
    ),
    one(
      'ours',
      { backend: 'cpu', cache: 'split', ...batch, phase: 'rounds' },
      {
        gbPerSecond: summary(16),
      },
    ),
    one(
      'theirs',
      { backend: 'onnxruntime', cache: 'gqa', ...batch, phase: 'rounds' },
      {
        gbPerSecond: summary(4),
      },
    ),
    ratio('cpu split', 'onnxruntime gqa', 1.5, prompt),
    ratio('cpu split', 'onnxruntime gqa', 4, batch),
    one(
      'ours, engine',
      { engine: 'vattention', task: '8 x (128, 128)', cache: 'split' },
      {
        tokensPerSecond: summary(120),
      },
    ),
    one(
      'theirs, engine',
      { engine: 'node-llama-cpp', task: '8 x (128, 128)' },
      {
        tokensPerSecond: summary(40),
        batchTokens: 512,
      },
    ),
    one(
      'Why?: parts at token 31 of 128, " a" here and " the" there',
      { part: 'greedy', question: 'Why?' },
      { sameTokens: 31, comparedTokens: 128, marginLogits: 0.125, peerMarginLogits: 0.25 },
    ),
    one(
      'How?: the same 128 tokens',
      { part: 'greedy', question: 'How?' },
      { sameTokens: 128, comparedTokens: 128 },
    ),
    one(
      'greedy answers: paged-16, all at once',
      { part: 'greedy', way: 'paged-16, all at once' },
      { sameAnswersCount: 2, answersCount: 2, preemptionsCount: 0 },
    ),
    ratio('vattention', 'node-llama-cpp', 3, { task: '8 x (128, 128)' }),
  ])
}

/** A result of every suite. */
export const suiteResults = (): Result[] => [
  vmmResult(),
  allocateResult(),
  stepResult(),
  layoutResult(),
  prefillResult(),
  decodeResult(),
  fragmentationResult(),
  prefixResult(),
  overlapResult(),
  overheadResult(),
  launchResult(),
  serveOfflineResult(),
  serveOnlineResult(),
  peersResult(),
]
