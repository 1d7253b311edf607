import { placedCases, type SourcedResult } from '../result/index.ts'
import { barsOf, countBars, type ReportedBar } from './bars.ts'
import { fileName, formatNumber } from './format.ts'
import { headlines } from './headlines.ts'
import { html, Markup } from './html/html.ts'
import { page } from './html/page.ts'
import { table } from './html/table.ts'
import { limitsByFile, limitsOf } from './limits.ts'
import { methodOf } from './method.ts'
import { missingMarkup, missingOf, type Missing } from './missing.ts'
import { drawPlot } from './plot/svg.ts'
import type { Figure, Question, ReportedResult } from './question.ts'
import { questions } from './questions/index.ts'
import { resultTables } from './tables.ts'

/** A page, and its plots as files of their own. */
export interface Report {
  /** Self-contained: no network, no fonts, no scripts but its own. */
  readonly html: string
  /** SVG text by name, without ending. */
  readonly svgs: ReadonlyMap<string, string>
}

/**
 * A report of results: what they come to, a plot for each question, all numbers, how they were
 * measured and what cannot be concluded. Nothing in it but what the results say; the same results
 * give the same page.
 *
 * @param results In the order in which their files are listed.
 * @throws RangeError when there are none
 */
export async function renderReport(results: readonly SourcedResult[]): Promise<Report> {
  if (results.length === 0) throw new RangeError('results: at least one is required')
  const reported = results.map((one): ReportedResult => ({
    ...one,
    cases: placedCases(one.result),
  }))
  const svgs = new Map<string, string>()
  const answers: Markup[] = []
  const told = new Set<ReportedResult>()
  for (const question of questions) {
    const figures = question.figures(reported)
    const words = question.words?.(reported) ?? []
    // Said once, at the first question about a bench.
    const own = reported.filter(
      (one) => question.benches.includes(one.result.bench) && !told.has(one),
    )
    const missing = own.flatMap(missingOf)
    if (figures.length === 0 && words.length === 0 && missing.length === 0) continue
    for (const one of own) told.add(one)
    const drawn: Markup[] = []
    for (const figure of figures) {
      const { inline, file } = await drawPlot(figure.spec, figure.name, figure.title)
      svgs.set(figure.name, file)
      drawn.push(figureMarkup(figure, inline))
    }
    answers.push(answer(question, drawn, words, missing))
  }
  const machines = [
    ...new Set(reported.map(({ result }) => result.device?.name ?? result.host.cpu)),
  ]
  const days = reported.map(({ result }) => result.startedAt.slice(0, 10)).sort()
  const body = html`<header>
      <h1>vAttention: benchmark report</h1>
      <p class="quiet">
        ${reported.length === 1 ? 'One result file' : `${reported.length} result files`},
        ${machines.join(' and ')}, measured ${[...new Set([days[0]!, days.at(-1)!])].join(' to ')}
      </p>
    </header>
    <main>
      ${smokeNotice(reported)} ${summary(reported)} ${questionsSection(answers)}
      ${barsSection(barsOf(reported))} ${limitsSection(reported)}
      <h2 id="numbers">All numbers</h2>
      <p class="quiet">Press a head to sort. Each row names its place in the file.</p>
      ${reported.map(
        (one) =>
          html`<details>
            <summary>${fileName(one.source)}: ${one.result.what}</summary>
            ${resultTables(one)}
          </details> `,
      )}
      <h2 id="method">How it was measured</h2>
      <p>
        From the files themselves. Units of rates are powers of ten (TFLOP, GB), those of memory
        powers of two (MiB, GiB).
      </p>
      ${reported.map(methodOf)}
    </main>
    <footer class="quiet"><p>Files: ${reported.map(({ source }) => source).join(', ')}</p></footer>`
  return { html: page('vAttention: benchmark report', body), svgs }
}

function smokeNotice(results: readonly ReportedResult[]): Markup | null {
  const smoke = results.filter(({ result }) => result.label === 'smoke')
  if (smoke.length === 0) return null
  const which =
    results.length === 1
      ? 'This is a smoke run'
      : smoke.length === results.length
        ? 'These are smoke runs'
        : 'Some of these are smoke runs'
  return html`<p class="notice">
    ${which} (<code>--quick</code>): that tells that a bench works here. Figures to decide by come
    from full runs on a machine with nothing else to do.
  </p>`
}

function questionsSection(answers: readonly Markup[]): Markup | null {
  if (answers.length === 0) return null
  return html`<h2 id="questions">Questions and plots</h2>
    <p class="quiet">
      fa2, fa3: FlashAttention-2 and -3. 16K: 16 × 1024 tokens. Split, interleaved: contiguous
      caches, layer by layer or with all layers side by side; behind a slash the size of a page.
      Paged 16: blocks of 16 tokens; blocks 16: PagedAttention's own layout.
    </p>
    <div class="questions">${answers}</div>`
}

function figureMarkup({ name, title, caption, sources }: Figure, svg: string): Markup {
  return html`<figure id="${name}">
    <b>${title}</b>${new Markup(svg)}
    <figcaption>${caption} Source: ${sources.map(fileName).join(', ')}.</figcaption>
  </figure> `
}

function answer(
  { id, title, asks }: Question,
  figures: readonly Markup[],
  words: readonly string[],
  missing: readonly Missing[],
): Markup {
  // One plot stands beside its question, several below it.
  const form = figures.length === 1 ? 'one' : 'several'
  return html`<section id="q-${id}" class="${form}">
    <div class="asked">
      <h3>${title}</h3>
      <p>${asks}</p>
      ${words.map((one) => html`<p class="words">${one}</p>`)} ${missingMarkup(missing)}
    </div>
    ${figures.length > 0 ? html`<div class="figures">${figures}</div>` : null}
  </section> `
}

function summary(results: readonly ReportedResult[]): Markup | null {
  const bars = barsOf(results)
  const figures = headlines(results)
  if (bars.length === 0 && figures.length === 0) return null
  const { met, missed, undecided, unmeasured } = countBars(bars)
  return html`<section id="summary">
    <ul class="cards">
      ${
        bars.length > 0
          ? html`<li>
              <span>Bars met</span><strong>${met} <small>of ${bars.length}</small></strong
              ><span class="quiet"
                ><a href="#bars"
                  ><span class="missed">${missed} missed</span>,
                  <span class="undecided">${undecided} undecided</span
                  >${unmeasured > 0 ? `, ${unmeasured} not measured` : ''}</a
                ></span
              >
            </li>`
          : null
      }
      ${figures.map(
        ({ about, value, unit, detail, source }) =>
          html`<li>
            <span>${about}</span><strong>${value} <small>${unit}</small></strong
            ><span class="quiet">${detail}. ${fileName(source)}</span>
          </li> `,
      )}
    </ul>
  </section>`
}

const order = { missed: 0, undecided: 1, unmeasured: 2, met: 3 } as const

function barsSection(bars: readonly ReportedBar[]): Markup | null {
  if (bars.length === 0) return null
  const sorted = [...bars].sort((a, b) => order[a.state] - order[b.state])
  const met = sorted.filter(({ state }) => state === 'met')
  const others = sorted.filter(({ state }) => state !== 'met')
  return html`<h2 id="bars">Bars: met, missed, undecided</h2>
    <p>
      A bar is judged by the median; when the 95 % interval has the bar inside, it is undecided.
    </p>
    ${others.length > 0 ? barsTable('not met', others) : html`<p>All are met.</p>`}
    ${
      met.length > 0
        ? html`<details>
            <summary>${met.length} bars that are met</summary>
            ${barsTable('met', met)}
          </details>`
        : null
    }`
}

function barsTable(what: string, bars: readonly ReportedBar[]): Markup {
  return table({
    caption: `${bars.length} bars: ${what}`,
    heads: ['state', 'bar', 'measured', 'required', 'unit', 'source'],
    rows: bars.map(({ state, name, value, low, high, kind, bar, unit, source }) => [
      { text: html`<span class="${state}">${state}</span>`, sort: order[state] },
      { text: name },
      {
        text: html`<span
          >${formatNumber(value)}${
            typeof low === 'number' && typeof high === 'number'
              ? html` <small>[${formatNumber(low)}, ${formatNumber(high)}]</small>`
              : null
          }</span
        >`,
        sort: value,
        number: true,
      },
      {
        text: `${kind === 'atLeast' ? '≥' : '≤'} ${formatNumber(bar)}`,
        sort: bar,
        number: true,
      },
      { text: unitText(unit) },
      { text: fileName(source) },
    ]),
  })
}

/** A bar's unit for people; ratios have none in their files. */
const unitText = (unit: string | undefined) =>
  unit === undefined ? '×' : unit === 'us' ? 'µs' : unit

function limitsSection(results: readonly ReportedResult[]): Markup {
  const machines = new Set(results.map(({ result }) => result.device?.name ?? result.host.cpu))
  return html`<h2 id="limits">What cannot be concluded</h2>
    <p>
      Anything about other hardware, models, shapes or versions than those of
      ${[...machines].join(' and ')} in the files below; and nothing from one run about another day.
    </p>
    ${limitsByFile(limitsOf(results)).map(
      ({ file, texts }) =>
        html`<h3>${file}</h3>
          <ul>
            ${texts.map((text) => html`<li>${text}</li>`)}
          </ul> `,
    )}`
}
