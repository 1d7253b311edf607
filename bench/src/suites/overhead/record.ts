import { atMost, latencies, median, summarize } from '../../harness/index.ts'
import type { SuiteContext } from '../../suite/index.ts'
import type { Overhead, PassSubject } from './measure.ts'
import type { NativePasses } from '../native/overhead-program.ts'

/** Caches that the passes from C++ run over on a GPU, by backend. */
const nativeCache = (backend: string) =>
  backend === 'paged-attention' ? 'blocks-16' : 'interleaved'

/** Records what passes of one backend over one cache took. */
export function recordPasses(
  { recorder, random, device }: SuiteContext,
  { shape, sequences, length }: Overhead,
  subject: PassSubject,
  nativePasses: readonly NativePasses[],
): void {
  const { name, backendName, cache, times, replays, maxError } = subject
  if (times.length === 0) return
  const { layers } = shape
  const column = (of: (one: (typeof times)[number]) => number) => times.map(of)
  const total = column((one) => one.prepareUs + one.runUs)
  const whole = column((one) => one.stepUs + one.prepareUs + one.runUs)
  const replay = replays.map(({ replayUs }) => replayUs)
  const graphTotal = replays.map(({ prepareUs, replayUs }) => prepareUs + replayUs)
  const same = nativePasses.filter(
    (one) => one.backend === backendName && (one.cache ?? nativeCache(backendName)) === cache.name,
  )
  const native = same.flatMap(({ prepareUs, runUs }) => prepareUs.map((us, i) => us + runUs[i]!))
  const nativeLayer = same.flatMap(({ runUs }) => runUs.map((us) => us / layers))
  const all = summarize(total, random)
  recorder.add({
    name: `${name}, ${sequences} sequences, ${layers} layers`,
    parameters: {
      backend: backendName,
      ...{ cache: cache.name, sequences, tokens: length, layers, shape: shape.name },
    },
    metrics: {
      stepUs: summarize(
        column((one) => one.stepUs),
        random,
      ),
      prepareUs: summarize(
        column((one) => one.prepareUs),
        random,
      ),
      runUs: summarize(
        column((one) => one.runUs),
        random,
      ),
      layerUs: summarize(
        column((one) => one.runUs / layers),
        random,
      ),
      totalUs: { ...all, ...percentiles(total) },
      passUs: { ...summarize(whole, random), ...percentiles(whole) },
      ...(native.length > 0 && {
        nativeTotalUs: summarize(native, random),
        nativeLayerUs: summarize(nativeLayer, random),
      }),
      ...(replay.length > 0 && {
        graphTotalUs: summarize(graphTotal, random),
        replayUs: summarize(replay, random),
      }),
    },
    samples: {
      stepUs: column((one) => one.stepUs),
      prepareUs: column((one) => one.prepareUs),
      runUs: column((one) => one.runUs),
      ...(replay.length > 0 && { graphTotalUs: graphTotal }),
    },
    maxError,
  })
  // The bars are of a GPU's largest batch and 32 layers, over the cache that a backend is best at.
  if (!device.isGpu || cache.name !== nativeCache(backendName)) return
  if (sequences !== 256 || layers !== 32) return
  const us = { unit: 'us' }
  const pass = `${backendName}: prepare and ${layers} runs`
  const beyond = native.length > 0 ? all.median! - median(native) : null
  recorder.bar(atMost(pass, all, 700, us))
  recorder.bar(atMost(`${pass}, beyond C++`, beyond, 200, us))
  const graph = graphTotal.length > 0 ? summarize(graphTotal, random) : undefined
  recorder.bar(atMost(`${backendName}: prepare and a graph's replay`, graph, 100, us))
}

/** Those that a summary has room for. */
function percentiles(values: readonly number[]) {
  const { p50, p99, p999 } = latencies(values)
  return { p50, p99, ...(p999 !== undefined && { p999 }) }
}
