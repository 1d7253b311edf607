import { spawnSync } from 'node:child_process'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

import typescript from 'typescript'

const root = fileURLToPath(new URL('../../../..', import.meta.url))

/** This package as JavaScript that a plain Node can import, in a folder of its own. */
export interface Compiled extends Disposable {
  /** For `import` in scripts. */
  readonly url: string
}

/** Compiles the sources, so that a process without a test runner in it can be measured. */
export function compile(): Compiled {
  const folder = mkdtempSync(join(tmpdir(), 'vattention-core-'))
  const core = 'packages/core'
  const contract = 'node_modules/@vattention/interface'
  translate(`${core}/src`, join(folder, core, 'src'))
  translate('native/node', join(folder, 'native/node'))
  translate('packages/interface/src', join(folder, contract))
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: 'module' }))
  writeFileSync(
    join(folder, contract, 'package.json'),
    JSON.stringify({ type: 'module', exports: './index.js' }),
  )
  cpSync(join(root, core, 'package.json'), join(folder, core, 'package.json'))
  symlinkSync(join(root, core, 'addon.node'), join(folder, core, 'addon.node'))
  return {
    url: pathToFileURL(join(folder, core, 'src/index.js')).href,
    [Symbol.dispose]: () => rmSync(folder, { recursive: true }),
  }
}

function translate(from: string, to: string): void {
  mkdirSync(to, { recursive: true })
  for (const name of readdirSync(join(root, from)).filter((file) => file.endsWith('.ts'))) {
    const { outputText } = typescript.transpileModule(
      readFileSync(join(root, from, name), 'utf8'),
      {
        fileName: name,
        compilerOptions: {
          module: typescript.ModuleKind.ESNext,
          target: typescript.ScriptTarget.ES2022,
          verbatimModuleSyntax: true,
          rewriteRelativeImportExtensions: true,
        },
      },
    )
    writeFileSync(join(to, name.replace(/ts$/, 'js')), outputText)
  }
}

/**
 * Runs a script of ESM in a process of its own, which has `files` as descriptors from 3 on; returns
 * what it printed as JSON.
 */
export function runScript<Result>(
  script: string,
  flags: string[] = [],
  files: readonly number[] = [],
): Result {
  const { status, signal, stdout, stderr } = spawnSync(
    process.execPath,
    [...flags, '--input-type=module', '-e', script],
    { encoding: 'utf8', cwd: tmpdir(), stdio: ['ignore', 'pipe', 'pipe', ...files] },
  )
  if (status !== 0) throw new Error(`The script ended with ${signal ?? status}:\n${stderr}`)
  return JSON.parse(stdout) as Result
}
