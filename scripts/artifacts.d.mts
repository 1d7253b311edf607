/** Folder of a finished artifact: 'ninja', 'clangFormat', 'highway', 'onednn' or 'model'. */
export function artifactFolder(name: string, env?: NodeJS.ProcessEnv): string
/** The GGUF file that demo, tests and benchmarks run. */
export function modelFile(env?: NodeJS.ProcessEnv): string
