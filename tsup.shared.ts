import { defineConfig } from 'tsup'

/**
 * How a package of this workspace is built: ESM and CommonJS with types, in `dist`.
 *
 * @param entry Source files that become entry points. Default `['src/index.ts']`.
 */
export function bundle(entry: string[] = ['src/index.ts']) {
  return defineConfig({
    entry,
    format: ['esm', 'cjs'],
    target: 'node20',
    dts: true,
    sourcemap: true,
    clean: true,
    shims: true,
  })
}
