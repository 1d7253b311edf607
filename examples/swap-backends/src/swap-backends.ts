/** The two ways to run it: one combination, or all of them side by side. */
import { VattentionError, type DType } from '@vattention/interface'

import { backendMakers } from './backends.ts'
import { comparedCaches } from './caches.ts'
import { differences, smallestMargin, type NamedAnswers } from './compare.ts'
import type { ServedModel } from './model.ts'
import { serve, type Answer, type Combination } from './serve.ts'

/** One line of what happened. */
export type Log = (line: string) => void

/**
 * Serves from one combination and prints the answers.
 * @throws What `serve` throws.
 */
export async function runOne(
  model: ServedModel,
  combination: Combination,
  maxTokens: number,
  log: Log,
): Promise<NamedAnswers> {
  const { backend, rejected, answers } = await serve(model, combination, maxTokens)
  const name = `${combination.cache} cache, ${backend} backend`
  for (const { name: other, reasons } of rejected) {
    log(`${other} was not chosen: ${reasons.map(({ message }) => message).join('; ')}`)
  }
  log(`${name}:`)
  for (const answer of answers) log(`  ${show(answer)}`)
  return { name, answers }
}

/**
 * Serves from every combination. One that cannot be is named with its reasons.
 * @returns Whether at least two could serve, and all gave the same tokens.
 */
export async function runAll(
  model: ServedModel,
  kvDtype: DType,
  maxTokens: number,
  log: Log,
): Promise<boolean> {
  const served: NamedAnswers[] = []
  for (const backend of Object.keys(backendMakers)) {
    for (const cache of comparedCaches) {
      try {
        served.push(await runOne(model, { cache, backend, kvDtype }, maxTokens, log))
      } catch (error) {
        if (!isRefusal(error)) throw error
        log(`${cache} cache, ${backend} backend: refused. ${error.message}`)
      }
    }
  }
  if (served.length < 2) {
    log('Fewer than two combinations could serve: nothing to compare.')
    return false
  }
  const found = differences(served)
  for (const difference of found) log(difference)
  const margin = `The closest choice was ${smallestMargin(served).toPrecision(2)} apart in logits.`
  log(
    found.length > 0
      ? `${served.length} combinations, ${found.length} answers differ. ${margin}`
      : `${served.length} combinations, the same tokens from each. ${margin}`,
  )
  return found.length === 0
}

/** What `serve` throws when a combination cannot be: any other error is a failure. */
function isRefusal(error: unknown): error is VattentionError {
  const refusals = ['BACKEND_UNSUPPORTED', 'NO_BACKEND', 'ENGINE_UNSUPPORTED']
  return (
    error instanceof VattentionError &&
    refusals.some((code) => error.code === `ERR_VATTENTION_${code}`)
  )
}

function show({ tokens, text }: Answer): string {
  return text ? `${tokens.join(' ')}  ${JSON.stringify(text)}` : tokens.join(' ')
}
