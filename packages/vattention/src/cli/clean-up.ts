/** Steps that undo what was opened, run once, newest first, whatever one of them throws. */
export class CleanUp {
  #steps: (() => unknown)[] = []

  /** Adds a step. */
  add(step: () => unknown): void {
    this.#steps.push(step)
  }

  /** Runs all steps; rejects with the first error after the last step. */
  async run(): Promise<void> {
    const steps = this.#steps.reverse()
    this.#steps = []
    const failures: unknown[] = []
    for (const step of steps) {
      try {
        await step()
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
  }
}
