/**
 * Passes of one kind come in blocks, as a server runs one backend: when kinds alternate, each finds the
 * processor's caches full of the others' code, and `prepare` takes three times as long.
 */
export const blockPasses = 20
export const warmUpPasses = 10

/** What `time` gives for the passes of a block. */
export async function timeBlock<T>(time: () => Promise<T>): Promise<T[]> {
  const samples: T[] = []
  for (let i = -warmUpPasses; i < blockPasses; i++) {
    const sample = await time()
    if (i >= 0) samples.push(sample)
  }
  return samples
}
