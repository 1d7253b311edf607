/** docs/command.md: the help of the command and of each of its subcommands. */
export function commandPage(
  helps: readonly { readonly command: string; readonly help: string }[],
): string {
  const sections = helps.map(
    ({ command, help }) => `## ${command}\n\n\`\`\`\n${help.trimEnd()}\n\`\`\`\n`,
  )
  return `# The command

<!-- Generated from the command's own help: npm run docs:pages. -->

${sections.join('\n')}`
}
