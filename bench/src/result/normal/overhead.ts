import type { OverheadCases } from '../schema/gpu-cases.ts'
import type { MeasuredCase } from '../schema/measured-case.ts'

/** Cases of bench "overhead": the calling thread's time for a pass. */
export function overheadCase(one: OverheadCases): MeasuredCase[] {
  const { backend, sequences, length: tokens, layers, summary, samples } = one
  return [
    {
      name: `${backend}, ${sequences} sequences, ${layers} layers`,
      parameters: { backend, sequences, tokens, layers },
      metrics: summary,
      samples: { prepareUs: samples.prepareUs, runUs: samples.runUs },
    },
  ]
}
