import type { ComparedMetric, Comparison, Verdict } from '../compare/compare.ts'
import { formatNumber, formatShare } from './format.ts'
import { html, type Markup } from './html/html.ts'
import { page } from './html/page.ts'
import { table } from './html/table.ts'

const order: Record<Verdict, number> = { slower: 0, faster: 1, same: 2, unjudged: 3 }

/** A comparison as a page of its own. */
export function renderComparison(comparison: Comparison): string {
  const { a, b, metrics, doubts, onlyInA, onlyInB } = comparison
  const count = (verdict: Verdict) => metrics.filter((one) => one.verdict === verdict).length
  const card = (verdict: Verdict, words: string) =>
    html`<li>
      <span>${words}</span
      ><strong class="${verdict}">${count(verdict)} <small>metrics</small></strong>
    </li>`
  const list = (title: string, names: readonly string[]) =>
    names.length > 0
      ? html`<h2>${title}</h2>
          <ul>
            ${names.map((name) => html`<li>${name}</li>`)}
          </ul>`
      : null
  const body = html`<header>
      <h1>vAttention: ${a.result.bench}, before and after</h1>
      <dl>
        <dt>a, before</dt>
        <dd>${a.source}: commit ${a.result.commit}, ${a.result.startedAt}</dd>
        <dt>b, after</dt>
        <dd>${b.source}: commit ${b.result.commit}, ${b.result.startedAt}</dd>
      </dl>
    </header>
    <main>
      <ul class="cards">
        ${card('slower', 'Slower beyond noise')}${card('faster', 'Faster beyond noise')}${card('same', 'The same within noise')}${card('unjudged', 'Not judged')}
      </ul>
      ${list('What makes this doubtful', doubts)}
      <h2>Metrics</h2>
      <p>
        Slower by 50 % is one and a half times the time, or two thirds of the rate. A change counts
        from the limit beside it on.
      </p>
      ${table({
        caption: html`Medians of a and b`,
        heads: ['verdict', 'case', 'metric', 'a', 'b', 'unit', 'slower by', 'limit'],
        rows: [...metrics].sort((one, other) => order[one.verdict] - order[other.verdict]).map(row),
      })}
      ${list('Only in a', onlyInA)}${list('Only in b', onlyInB)}
    </main>`
  return page(`vAttention: ${a.result.bench}, before and after`, body)
}

function row({ verdict, reason, caseName, metric, a, b, unit, worseBy, limit }: ComparedMetric) {
  const why: Markup | null = reason === undefined ? null : html` <small>${reason}</small>`
  return [
    {
      text: html`<span><span class="${verdict}">${verdict}</span>${why}</span>`,
      sort: order[verdict],
    },
    { text: caseName },
    { text: metric },
    { text: formatNumber(a.value), sort: a.value, number: true },
    { text: formatNumber(b.value), sort: b.value, number: true },
    { text: unit.symbol },
    { text: worseBy === null ? '–' : formatShare(worseBy), sort: worseBy, number: true },
    { text: limit === null ? '–' : formatShare(limit), sort: limit, number: true },
  ]
}
