/** The most likely token of each row of logits. */

/** A choice, and how close it was. */
export interface Choice {
  readonly token: number
  /** Natural log of its probability. */
  readonly logprob: number
  /** Difference between the two largest logits. */
  readonly margin: number
}

/** Chooses the first of the largest logits of one row. */
export function chooseGreedy(logits: Float32Array): Choice {
  let token = 0
  let second = -Infinity
  for (let i = 1; i < logits.length; i++) {
    if (logits[i]! > logits[token]!) {
      second = logits[token]!
      token = i
    } else if (logits[i]! > second) {
      second = logits[i]!
    }
  }
  const highest = logits[token]!
  let sum = 0
  for (const logit of logits) sum += Math.exp(logit - highest)
  return { token, logprob: -Math.log(sum), margin: highest - second }
}
