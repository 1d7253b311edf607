import { join } from 'node:path'

import { devices } from '@vattention/core'
import { deviceIndex } from '@vattention/interface'

import { openDevice, systemClock, Unavailable, type BenchDevice } from '../harness/index.ts'
import { renderReport, writeReport } from '../report/index.ts'
import { readResult, writeResult, type Result } from '../result/index.ts'
import { runSuite, type Suite } from '../suite/index.ts'
import type { CommandContext } from './context.ts'
import { progressLine } from './progress-line.ts'
import { resultLines } from './result-lines.ts'
import type { ExitStatus } from './output.ts'
import type { DeviceChoice, SharedOptions } from './shared-options.ts'

/** The device that was chosen; `auto` falls back to the CPU where no GPU can be used. */
function chosenDevice(choice: DeviceChoice): BenchDevice {
  if (choice !== 'auto') return openDevice(choice)
  const usable = devices().devices.find((one) => one.unusable === undefined)
  return openDevice(usable ? deviceIndex(usable.device) : 'cpu')
}

/** `cpu-prefill-20261122T125100`: sorted, runs of one suite are in the order of their time. */
function runName({ bench, label, startedAt }: Result, { device }: BenchDevice): string {
  const place = device.type === 'cpu' ? 'cpu' : `cuda${device.index}`
  const time = startedAt.replace(/\.\d+Z$/, '').replaceAll(/[-:]/g, '')
  return `${place}-${bench}${label === 'smoke' ? '-quick' : ''}-${time}`
}

/** Runs one suite and writes what it measured, whatever ended it. */
export async function runSuiteCommand(
  suite: Suite,
  options: SharedOptions & Readonly<Record<string, unknown>>,
  { output, signal, command, environment }: CommandContext,
): Promise<ExitStatus> {
  const { quick = false, budget, seed, shapes, backends, caches } = options
  const { budgetSeconds } = suite
  const settings = {
    quick,
    budgetSeconds: budget ?? (quick ? budgetSeconds.quick : budgetSeconds.full),
    strictBudget: quick || budget !== undefined,
    seed,
    ...(shapes && { shapes }),
    ...(backends && { backends }),
    ...(caches && { caches }),
  }
  let run
  let name
  try {
    using device = chosenDevice(options.device)
    using line = progressLine(suite.name, output)
    output.writeError(`${suite.name} on ${device.name}${quick ? ', a smoke run' : ''}\n`)
    const onProgress = line.update
    const of = { settings, options, device, clock: systemClock, signal, command, onProgress }
    run = await runSuite(suite, of)
    name = runName(run.result, device)
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error
    output.writeError(`${suite.name}: not measured, nothing written: ${error.message}\n`)
    return 1
  }
  const { result, wrong, interrupted, failure } = run
  output.write(resultLines(result))
  const folder = join(options.out ?? environment.VATTENTION_RESULTS_DIR ?? 'bench-results', name)
  const path = join(folder, 'result.json')
  await writeResult(path, result)
  output.write(`${path}\n`)
  if (options.json !== undefined) {
    await writeResult(options.json, result)
    output.write(`${options.json}\n`)
  }
  if (options.report) {
    const page = await writeReport(folder, await renderReport([await readResult(path)]))
    output.write(`${page}\n`)
  }
  if (failure !== undefined) throw failure
  if (interrupted) return 130
  for (const { case: refused, reason } of wrong) output.writeError(`${refused}: ${reason}\n`)
  return wrong.length > 0 ? 1 : 0
}
