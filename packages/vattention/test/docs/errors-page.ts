import type { ErrorKind } from '@vattention/interface'

/** A row of a package's error table. */
interface ErrorRow {
  readonly code: string
  readonly kind: ErrorKind
  readonly meaning: string
}

/** A package's errors. */
interface ErrorTable {
  readonly rows: Readonly<Record<string, ErrorRow>>
  /** Class of all of them. Absent: that of their kind. */
  readonly throws?: string
}

const classes: Readonly<Record<ErrorKind, string>> = {
  configuration: 'ConfigurationError',
  outOfMemory: 'OutOfMemoryError',
  device: 'DeviceError',
  state: 'StateError',
}

/** docs/errors.md: every error of every package, from the tables themselves. */
export function errorsPage(tables: Readonly<Record<string, ErrorTable>>): string {
  const sections = Object.entries(tables).map(([name, table]) => {
    const rows = Object.values(table.rows)
      .map(({ code, kind, meaning }) => ({ code, kind, meaning }))
      .sort((a, b) => a.code.localeCompare(b.code))
      .map(
        ({ code, kind, meaning }) =>
          `### ${code}\n\n\`${table.throws ?? classes[kind]}\`. ${meaning}\n`,
      )
    return `## ${name}\n\n${rows.join('\n')}`
  })
  return `# Errors

<!-- Generated from the error tables: npm run docs:pages. -->

Every error thrown has a stable \`code\`, a class by kind, and a message that says what was expected, what
was received and what to do. \`ConfigurationError\` lists all \`reasons\`, not the first; \`DeviceError\` names
the driver call and its code. Nothing is printed and nothing exits.

\`step\` never throws for a full pool: it returns \`outOfMemory\` with what is missing.

${sections.join('\n')}`
}
