import { html, type Markup } from './html/html.ts'
import type { ReportedResult } from './question.ts'

/** What was not measured for one reason. */
export interface Missing {
  readonly reason: string
  readonly names: readonly string[]
}

/** Names that are told of one reason; the others are counted. */
const mostNames = 4
/** Reasons that are told beside the plots; all of them are in what cannot be concluded. */
const mostReasons = 6

/** What a result does not have, by reason. */
export function missingOf({ result }: ReportedResult): Missing[] {
  const names = new Map<string, string[]>()
  for (const { case: name, reason } of result.skipped) {
    names.set(reason, [...(names.get(reason) ?? []), name])
  }
  return [...names].map(([reason, own]) => ({ reason, names: own }))
}

/** What is not available, beside what is: a row that a reader looks for has a reason in its place. */
export function missingMarkup(missing: readonly Missing[]): Markup | null {
  if (missing.length === 0) return null
  const told = missing.slice(0, mostReasons)
  const more = missing.length - told.length
  return html`<p class="quiet">Not measured:</p>
    <ul class="quiet missing">
      ${told.map(({ reason, names }) => html`<li>${namesText(names)}: ${reason}</li>`)}
      ${more > 0 ? html`<li><a href="#limits">and ${more} more reasons</a></li>` : null}
    </ul>`
}

function namesText(names: readonly string[]): string {
  const shown = names.slice(0, mostNames).join('; ')
  return names.length > mostNames ? `${shown}; and ${names.length - mostNames} more` : shown
}
