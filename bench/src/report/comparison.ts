import type { ComparedMetric, Comparison, Verdict } from '../compare/compare.ts'
import { placeOf, type ComparisonSet } from '../compare/sets.ts'
import type { MachineChange } from '../compare/machine.ts'
import { machineText } from '../compare/text.ts'
import { formatNumber, formatShare } from './format.ts'
import { html, type Markup } from './html/html.ts'
import { page } from './html/page.ts'
import { table } from './html/table.ts'

const order: Record<Verdict, number> = { slower: 0, faster: 1, same: 2, unjudged: 3 }

const card = (verdict: Verdict, words: string, metrics: readonly ComparedMetric[]) =>
  html`<li>
    <span>${words}</span
    ><strong class="${verdict}"
      >${metrics.filter((one) => one.verdict === verdict).length} <small>metrics</small></strong
    >
  </li>`

/** How many metrics became what. */
const cards = (metrics: readonly ComparedMetric[]) =>
  html`<ul class="cards">
    ${card('slower', 'Slower beyond noise', metrics)}${card('faster', 'Faster beyond noise', metrics)}${card('same', 'The same within noise', metrics)}${card('unjudged', 'Not judged', metrics)}
  </ul>`

const list = (title: string, names: readonly string[]) =>
  names.length > 0
    ? html`<h3>${title}</h3>
        <ul>
          ${names.map((name) => html`<li>${name}</li>`)}
        </ul>`
    : null

/** Which files are compared. */
const sides = ({ a, b }: Comparison) =>
  html`<dl>
    <dt>a, before</dt>
    <dd>${a.source}: commit ${a.result.commit}, ${a.result.startedAt}</dd>
    <dt>b, after</dt>
    <dd>${b.source}: commit ${b.result.commit}, ${b.result.startedAt}</dd>
  </dl>`

const explanation = html`<p>
  Slower by 50 % is one and a half times the time, or two thirds of the rate. A change counts from
  the limit beside it on.
</p>`

/** What limits are wider by. */
const machineList = (changes: readonly MachineChange[]) =>
  list(
    'The machine itself, in b beside a: limits are wider by the most of these, but for what is exact',
    changes.map((change) => machineText(change, ', then ')),
  )

const metricsTable = (metrics: readonly ComparedMetric[]) =>
  table({
    caption: html`Medians of a and b`,
    heads: ['verdict', 'case', 'metric', 'a', 'b', 'unit', 'slower by', 'limit'],
    rows: [...metrics].sort((one, other) => order[one.verdict] - order[other.verdict]).map(row),
  })

/** A comparison as a page of its own. */
export function renderComparison(comparison: Comparison): string {
  const { a, machine, metrics, doubts, onlyInA, onlyInB } = comparison
  const title = `vAttention: ${a.result.bench}, before and after`
  const body = html`<header>
      <h1>${title}</h1>
      ${sides(comparison)}
    </header>
    <main>
      ${cards(metrics)} ${list('What makes this doubtful', doubts)} ${machineList(machine)}
      <h2>Metrics</h2>
      ${explanation} ${metricsTable(metrics)}
      ${list('Only in a', onlyInA)}${list('Only in b', onlyInB)}
    </main>`
  return page(title, body)
}

/** Comparisons of several benches and devices as one page: what is slower comes first. */
export function renderComparisonSet(set: ComparisonSet): string {
  const { comparisons, doubts, onlyInA, onlyInB } = set
  const title = 'vAttention: benchmarks, before and after'
  const sorted = [...comparisons].sort((a, b) => b.exitStatus - a.exitStatus)
  const body = html`<header>
      <h1>${title}</h1>
      <p class="quiet">
        ${comparisons.length} benches, paired by bench and device:
        ${comparisons.map(({ a }) => placeOf(a)).join(', ')}
      </p>
    </header>
    <main>
      ${cards(comparisons.flatMap(({ metrics }) => metrics))}
      ${list('What makes the choice doubtful', doubts)} ${list('Only in a', onlyInA)}
      ${list('Only in b', onlyInB)} ${explanation} ${sorted.map(section)}
    </main>`
  return page(title, body)
}

/** One of several: open where something is slower. */
function section(comparison: Comparison): Markup {
  const { machine, metrics, regressions, doubts, onlyInA, onlyInB } = comparison
  const slower = regressions.length
  return html`<h2>${placeOf(comparison.a)}</h2>
    ${sides(comparison)} ${list('What makes this doubtful', doubts)} ${machineList(machine)}
    <details ${slower > 0 ? 'open' : ''}>
      <summary>${metrics.length} metrics, ${slower} of them slower beyond noise</summary>
      ${metricsTable(metrics)}
    </details>
    ${list('Only in a', onlyInA)} ${list('Only in b', onlyInB)}`
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
