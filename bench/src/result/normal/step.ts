import type { StepCases } from '../schema/gpu-cases.ts'
import type { MeasuredCase } from '../schema/measured-case.ts'

/** Cases of bench "step": steps, prompts that are backed, attention beside the mapper. */
export function stepCase(one: StepCases): MeasuredCase[] {
  const { part } = one
  switch (part) {
    case 'steps': {
      const { name: load, sequences, microseconds, stepsThatMapped } = one
      return [
        {
          name: `step of ${sequences} sequences, ${load}`,
          parameters: { part, load, sequences },
          metrics: { stepUs: microseconds, stepsThatMappedCount: stepsThatMapped },
        },
      ]
    }
    case 'prompts': {
      const { name: pageClasses, tokens, gigabytesPerSecond, samples, bytes } = one
      return [
        {
          name: `prompts of ${tokens} tokens, ${pageClasses}`,
          parameters: { part, pageClasses, tokens },
          metrics: {
            stepGbPerSecond: gigabytesPerSecond.step,
            readyGbPerSecond: gigabytesPerSecond.ready,
            promptBytes: bytes,
          },
          samples,
        },
      ]
    }
    case 'overlap': {
      const { name: task, kind: mapping, backend, ratio, gigabytesPerSecond, samples } = one
      return [
        {
          name: `${task} beside ${mapping} mapping`,
          parameters: { part, task, mapping, backend },
          metrics: { timeRatio: ratio, mappedGbPerSecond: gigabytesPerSecond.mapped },
          samples: { ms: samples.ms, quietMs: samples.quietMs },
          maxError: one.maxError,
        },
      ]
    }
  }
}
