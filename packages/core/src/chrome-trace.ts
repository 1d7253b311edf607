import type { CacheEvent } from '@vattention/interface'

/** How a trace is labelled. */
export interface ChromeTraceOptions {
  /** Name of the process in the viewer. Defaults to `'vAttention'`. */
  readonly processName?: string
}

/**
 * A Chrome trace (the JSON object format) of a cache's events: save it as a `.json` file and open
 * it in `chrome://tracing` or Perfetto. Callers and the mapper thread get a row each.
 */
export function toChromeTrace(
  events: readonly CacheEvent[],
  options: ChromeTraceOptions = {},
): string {
  const threads = { caller: 0, mapper: 1 } as const
  const named = (name: string, tid: number, value: string) => ({
    name,
    ph: 'M',
    pid: 1,
    tid,
    args: { name: value },
  })
  return JSON.stringify({
    displayTimeUnit: 'ns',
    traceEvents: [
      named('process_name', 0, options.processName ?? 'vAttention'),
      named('thread_name', threads.caller, 'callers'),
      named('thread_name', threads.mapper, 'mapper'),
      ...events.map(({ kind, thread, startNs, durationNs, slot, bytes, count }) => ({
        name: kind,
        cat: 'cache',
        // Chrome's clock counts microseconds; a moment without duration is an instant event.
        ...(durationNs > 0 ? { ph: 'X', dur: durationNs / 1000 } : { ph: 'i', s: 't' }),
        ts: startNs / 1000,
        pid: 1,
        tid: threads[thread],
        args: { slot, bytes, count },
      })),
    ],
  })
}
