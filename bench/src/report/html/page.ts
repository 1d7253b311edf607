import { html, Markup } from './html.ts'
import { sortScript } from './script.ts'
import { pageStyle } from './style.ts'

/** A whole page that needs nothing but itself: its policy forbids everything else. */
export function page(title: string, body: Markup): string {
  const policy =
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
  return `${
    html`<!doctype html>
      <html lang="en">
        <head>
          <meta charset="utf-8" />
          <meta name="viewport" content="width=device-width, initial-scale=1" />
          <meta http-equiv="Content-Security-Policy" content="${policy}" />
          <meta name="color-scheme" content="light dark" />
          <title>${title}</title>
          <link rel="icon" href="data:," />
          <style>
            ${new Markup(pageStyle)}
          </style>
        </head>
        <body>
          ${body}
          <script>
            ${new Markup(sortScript)}
          </script>
        </body>
      </html>`.text
  }\n`
}
