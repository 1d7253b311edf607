/** All cases of a cache. */
import type { KvCache } from '@vattention/interface'

import { contentCases } from './contents.ts'
import type { CacheCase } from './context.ts'
import { disposalCases } from './disposal.ts'
import { fenceCases } from './fences.ts'
import { forkCases } from './forks.ts'
import { handleCases } from './handles.ts'
import { limitCases } from './limits.ts'
import { prefixCases } from './prefixes.ts'
import { slidingCases } from './sliding.ts'
import { stepCases } from './steps.ts'

/**
 * The cases that a cache has to pass.
 *
 * @param kind Layouts and block sizes follow from it; all else is the same for both.
 */
export function cacheCases(kind: KvCache['kind']): CacheCase[] {
  return [
    ...stepCases,
    ...handleCases,
    ...contentCases(kind),
    ...forkCases,
    ...prefixCases,
    ...slidingCases,
    ...limitCases,
    ...fenceCases,
    ...disposalCases,
  ]
}
