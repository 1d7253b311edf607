/**
 * The kit over everything that a backend declares: a suite for each kind of cache, pair of dtypes and
 * head dim. The plainest of each kind has all cases; the others those that meet other kernels.
 */
import type { Capabilities } from '@vattention/interface'

import { backendCases } from './backend/backend-cases.ts'
import {
  baseConfig,
  cacheKinds,
  declaredDtypes,
  declaredHeadDims,
  type CacheKind,
} from './backend/base-config.ts'
import { backendContext } from './contexts.ts'
import type { BackendSubject } from './subject.ts'
import { suiteOf, type Suite } from './suite.ts'

/** What depends on the element type and the head dim. */
const kernelGroups = ['views', 'features', 'memory', 'algebra', 'graphs']

/**
 * The suites of a backend, for a runner without vitest. The backend is the caller's to dispose.
 *
 * @param name Names of the suites begin with it.
 */
export function backendGrid(name: string, subject: BackendSubject): Suite[] {
  const { backend, caches } = subject
  const context = backendContext(subject)
  const { capabilities } = backend
  const unsuited = backend
    .validate(baseConfig(capabilities, capabilities.cacheKinds[0] ?? 'contiguous'))
    .find(({ code }) => code === 'computeCapability')
  if (unsuited) return [{ name, unavailable: unsuited.message, cases: [] }]
  const kinds = cacheKinds.filter((kind) => caches[kind] && capabilities.cacheKinds.includes(kind))
  const merging = backendCases(capabilities).filter(({ needs }) => needs.configs.length === 0)
  return [
    ...kinds.flatMap((kind) =>
      narrowed(capabilities, kind).map(({ title, plainest, has }) => {
        const cases = backendCases(has).filter(
          ({ group, needs }) =>
            needs.configs[0]?.cache.kind === kind && (plainest || kernelGroups.includes(group)),
        )
        return suiteOf(`${name}, ${title}`, cases, context)
      }),
    ),
    suiteOf(`${name}, merging`, merging, context),
  ]
}

/** One pair of dtypes and one head dim each, and what they are. */
function narrowed(capabilities: Capabilities, kind: CacheKind) {
  const { dtype, cache } = baseConfig(capabilities, kind)
  return declaredDtypes(capabilities).flatMap((dtypes) =>
    declaredHeadDims(capabilities).map((headDims) => {
      const types = dtypes[0] === dtypes[1] ? dtypes[0] : dtypes.join(' over ')
      const dims = headDims[0] === headDims[1] ? headDims[0] : headDims.join('/')
      return {
        title: `${kind}, ${types}, head dim ${dims}`,
        plainest:
          dtypes[0] === dtype &&
          dtypes[1] === cache.shape.dtype &&
          headDims[0] === cache.shape.headDim &&
          headDims[1] === cache.shape.valueHeadDim,
        has: { ...capabilities, dtypes: [dtypes[0]], kvDtypes: [dtypes], headDims: [headDims] },
      }
    }),
  )
}

/** What there is to run, or why there is nothing on this machine. */
const lacking = ['ERR_VATTENTION_NATIVE_LOAD', 'ERR_VATTENTION_BACKEND_UNAVAILABLE']

/**
 * The suites that `make` gives; where the backend was not built, or there is no GPU for it, one
 * that says so.
 */
export function suitesOrReason(name: string, make: () => readonly Suite[]): readonly Suite[] {
  try {
    return make()
  } catch (error) {
    const { code, message } = error as { code?: string; message: string }
    if (code === undefined || !lacking.includes(code)) throw error
    return [{ name, unavailable: message.replaceAll(/\s*\n\s*-?\s*/g, ' '), cases: [] }]
  }
}
