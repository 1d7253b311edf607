import type { LaunchCases } from '../schema/gpu-cases.ts'
import type { MeasuredCase } from '../schema/measured-case.ts'

/** Cases of bench "launch": our launches from C++, upstream's own, and cudaMalloc. */
export function launchCase(one: LaunchCases): MeasuredCase[] {
  if ('ratio' in one) {
    const { name, ratio } = one
    return [{ name, parameters: { comparison: name }, metrics: { speedRatio: ratio } }]
  }
  if (!('samples' in one)) return []
  const { name: task, backend, kernel, samples, summary } = one
  return Object.entries(summary).map(([subject, ms]) => ({
    name: `${backend}, ${task}: ${subject}`,
    parameters: { task, backend, kernel, subject },
    metrics: { ms },
    ...(samples.ms[subject] && { samples: { ms: samples.ms[subject] } }),
  }))
}
