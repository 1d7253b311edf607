import type { Cell, SuiteContext } from '../../suite/index.ts'

/** A cell whose failure is told as the reason why it is not there: the other cells go on. */
export function guarded({ recorder }: SuiteContext, cell: Cell): Cell {
  return {
    ...cell,
    async measure(budgetMs) {
      try {
        await cell.measure(budgetMs)
      } catch (error) {
        recorder.skip(cell.name, error)
      }
    },
  }
}
