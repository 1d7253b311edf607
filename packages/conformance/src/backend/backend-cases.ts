/** All cases of a backend. */
import type { Capabilities } from '@vattention/interface'

import { algebraCases } from './algebra.ts'
import { cacheKinds } from './base-config.ts'
import type { BackendCase } from './context.ts'
import { featureCases } from './features.ts'
import { graphCases } from './graphs.ts'
import { lifecycleCases } from './lifecycle.ts'
import { memoryCases } from './memory-cases.ts'
import { mergeCases, splitCases } from './merge-cases.ts'
import { allCapabilities } from './needs.ts'
import { refusalCases } from './refusals.ts'
import { shapeCases } from './shapes.ts'
import { sharingCases } from './sharing.ts'
import { streamCases } from './streams.ts'
import { viewCases } from './views.ts'

const groups = [
  shapeCases,
  viewCases,
  featureCases,
  memoryCases,
  algebraCases,
  splitCases,
  refusalCases,
  sharingCases,
  lifecycleCases,
  streamCases,
  graphCases,
]

/**
 * The cases that a backend has to pass, for both kinds of cache. Dims, dtypes, block sizes and
 * layouts follow what is declared; every feature has its cases, and says why it is skipped when it
 * is not declared.
 *
 * @param capabilities What the backend declares. Defaults to everything there is, for a list.
 */
export function backendCases(capabilities: Capabilities = allCapabilities): BackendCase[] {
  return [
    ...cacheKinds.flatMap((kind) => groups.flatMap((cases) => cases(capabilities, kind))),
    ...mergeCases(capabilities),
  ]
}
