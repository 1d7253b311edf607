import { Type, type Static } from 'typebox'

import { closed, Count, Text } from '../schema/parts.ts'
import { envelopeOf, environmentKeys } from './environment.ts'
import { judged, legacyForm } from './form.ts'

const Greedy = closed({
  ...environmentKeys,
  model: Text,
  maxTokens: Count,
  maxMargin: Type.Number(),
  prompts: Type.Array(
    closed({
      prompt: Text,
      tokens: Count,
      sameInput: Type.Boolean(),
      sameCaches: Type.Boolean(),
      fine: Type.Boolean(),
      parts: Type.Optional(
        closed({
          at: Count,
          ours: Type.String(),
          theirs: Type.String(),
          ourMargin: Type.Number(),
          theirMargin: Type.Number(),
        }),
      ),
    }),
  ),
})
type Greedy = Static<typeof Greedy>

/** bench/engine-greedy.mjs: up to which token two engines choose the same ones. */
export const greedy = legacyForm<Greedy>('engine-greedy', 'prompts', Greedy, (found) => {
  const { maxTokens, maxMargin, prompts } = found
  const margins = prompts.map(({ parts }) => parts?.ourMargin ?? 0)
  return envelopeOf('engine-greedy', found, {
    kind: 'serving',
    what: 'Greedy tokens of the engine and of node-llama-cpp: where they part, and by how much.',
    command: 'node bench/engine-greedy.mjs',
    protocol: { margin: "between our two best logits, where the engines' tokens part" },
    workload: { maxTokens },
    bars: [
      judged(
        'atMost',
        'largest margin at which greedy tokens part',
        Math.max(...margins),
        maxMargin,
        'logits',
      ),
      judged(
        'atLeast',
        'prompts with the same input and the same tokens from both caches',
        prompts.filter(({ sameInput, sameCaches }) => sameInput && sameCaches).length,
        prompts.length,
      ),
    ],
    cases: prompts.map(({ prompt, tokens, parts }) => ({
      name: prompt,
      parameters: { prompt },
      metrics: {
        sameTokens: parts?.at ?? tokens,
        comparedTokens: tokens,
        ...(parts && { marginLogits: parts.ourMargin }),
      },
    })),
  })
})
