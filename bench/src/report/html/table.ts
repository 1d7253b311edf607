import { html, type Markup } from './html.ts'

/** A cell: what is shown, and what it is sorted by. */
export interface Cell {
  readonly text: string | Markup
  /** Numbers before text, in their order; null comes last. Defaults to the text. */
  readonly sort?: number | string | null
  /** Of numbers: aligned to the right. */
  readonly number?: boolean
}

/** A table that the page's script sorts when a head is pressed. Without the script it is read as it is. */
export interface TableOptions {
  readonly caption: string | Markup
  readonly heads: readonly string[]
  readonly rows: readonly (readonly Cell[])[]
}

const cell = (head: string, { text, sort, number = false }: Cell) => {
  const key = sort === undefined ? (typeof text === 'string' ? text : text.text) : (sort ?? '')
  return html`<td
    data-label="${head}"
    data-sort="${String(key)}"
    class="${number ? 'number' : 'text'}"
  >
    ${text}
  </td>`
}

export function table({ caption, heads, rows }: TableOptions): Markup {
  return html`<table class="sorts">
    <caption>
      ${caption}
    </caption>
    <thead>
      <tr>
        ${heads.map((head) => html`<th scope="col"><button type="button">${head}</button></th>`)}
      </tr>
    </thead>
    <tbody>
      ${rows.map(
        (row) =>
          html`<tr>
            ${row.map((one, i) => cell(heads[i] ?? '', one))}
          </tr> `,
      )}
    </tbody>
  </table>`
}
