import { boolean, errors, type OptionRule } from '@vattention/interface'

import { checkOptions } from '../../../native/node/cache-arguments.ts'

/** What `exportPages` gives away. */
export interface ExportPagesOptions {
  /** Tokens of each sequence that are exported. Defaults to all that `step` has backed. */
  readonly lengths?: Uint32Array
  /** Whether the importer may map the pages for writing. Defaults to `false`. */
  readonly writable?: boolean
}

/** How `importPages` maps. */
export interface ImportPagesOptions {
  /** Whether this process is going to write to the pages. Defaults to `false`. */
  readonly writable?: boolean
}

const exportRules: Record<keyof ExportPagesOptions, OptionRule> = {
  lengths: { expected: 'a Uint32Array', check: (value) => value instanceof Uint32Array },
  writable: boolean,
}
const importRules: Record<keyof ImportPagesOptions, OptionRule> = { writable: boolean }

/** @throws `ERR_VATTENTION_INVALID_OPTIONS`, `ERR_VATTENTION_INVALID_ARGUMENT` */
export function checkExportPages(
  sequences: Uint32Array,
  options: ExportPagesOptions | undefined,
): void {
  if (!(sequences instanceof Uint32Array) || sequences.length === 0) {
    const found = (sequences as unknown) instanceof Uint32Array ? 'none' : typeof sequences
    throw errors.invalidArgument('sequences', 'a Uint32Array of at least one', found)
  }
  checkOptions('An export of pages', options, exportRules)
  const { lengths } = options ?? {}
  if (lengths !== undefined && lengths.length !== sequences.length) {
    const expected = `${sequences.length} lengths, one for each sequence`
    throw errors.invalidArgument('lengths', expected, String(lengths.length))
  }
}

/** @throws `ERR_VATTENTION_INVALID_OPTIONS`, `ERR_VATTENTION_INVALID_ARGUMENT` */
export function checkImportPages(options: ImportPagesOptions | undefined): void {
  checkOptions('An import of pages', options, importRules)
}
