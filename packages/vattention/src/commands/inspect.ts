import Table from 'cli-table3'
import type { Command } from 'commander'
import type { CudaDeviceInfo, DeviceList } from '@vattention/core'
import {
  describeModel,
  describeShape,
  kvCacheShape,
  type ModelDescription,
  type ModelShapeName,
} from '@vattention/engine'
import { describeHeadDims, deviceName, type Layout } from '@vattention/interface'

import { bytes, integer } from '../cli/option-values.ts'
import { writeJson } from '../cli/terminal.ts'
import { formatBytes } from '../cli/units.ts'
import { UsageError } from '../cli/usage-error.ts'
import { readBackends, type BackendReport } from '../inspect/backends.ts'
import { readGeometries, type CacheGeometries } from '../inspect/cache-geometry.ts'
import { readDevices } from '../inspect/devices.ts'
import { readDrivers, type DriverReport } from '../inspect/drivers.ts'
import { readEngine, type EngineReport } from '../inspect/engine.ts'
import { readMachine, type Machine } from '../inspect/machine.ts'
import { defaultLimitBytes } from '../session-options.ts'
import type { CommandContext } from './context.ts'

interface InspectFlags {
  readonly model?: string
  readonly shape?: string
  readonly limit?: number
  readonly maxSequences: number
  readonly maxLength?: number
  readonly json?: boolean
}

/** Everything `inspect` finds out; what `--json` prints. */
export interface Inspection {
  readonly machine: Machine
  readonly engine: EngineReport
  readonly drivers: readonly DriverReport[]
  readonly devices: DeviceList
  readonly backends: readonly BackendReport[]
  readonly model?: Pick<
    ModelDescription,
    'name' | 'architecture' | 'parameters' | 'contextLength' | 'weightBytes' | 'config'
  >
  readonly cache?: CacheGeometries
}

/** Adds `vattention inspect`. */
export function addInspect(program: Command, { terminal }: CommandContext): void {
  program
    .command('inspect')
    .description('what this machine can run, and what the cache of a model would look like')
    .option('-m, --model <path>', 'GGUF file, or folder with safetensors')
    .option('--shape <name>', 'a published shape instead of a file, llama-3-8b for example')
    .option('--limit <size>', 'memory of the cache, 2GiB for example', bytes)
    .option('--max-sequences <n>', 'slots', integer(1), 32)
    .option('--max-length <tokens>', "longest sequence (default: the model's)", integer(1))
    .option('--json', 'one JSON document on stdout')
    .addHelpText(
      'after',
      `
Examples:
  vattention inspect
  vattention inspect -m SmolLM2-135M-Instruct.Q4_1.gguf
  vattention inspect --shape llama-3-8b --limit 16GiB --json`,
    )
    .action(async (flags: InspectFlags) => {
      const inspection = await inspect(flags)
      if (flags.json) writeJson(terminal, inspection)
      else terminal.out.write(`${render(inspection)}\n`)
    })
}

async function inspect(flags: InspectFlags): Promise<Inspection> {
  if (flags.model !== undefined && flags.shape !== undefined) {
    throw new UsageError('--model and --shape exclude each other.')
  }
  const machine = {
    machine: readMachine(),
    engine: readEngine(),
    drivers: readDrivers(),
    devices: readDevices(),
  }
  const description =
    flags.model !== undefined
      ? await describeModel(flags.model)
      : flags.shape !== undefined
        ? describeShape(flags.shape as ModelShapeName)
        : undefined
  if (!description) return { ...machine, backends: await readBackends() }
  const { maxSequences, maxLength = description.contextLength } = flags
  const shape = kvCacheShape(description, { maxSequences, maxLength })
  const { name, architecture, parameters, contextLength, weightBytes, config } = description
  return {
    ...machine,
    backends: await readBackends({ description, shape }),
    model: { name, architecture, parameters, contextLength, weightBytes, config },
    cache: readGeometries(shape, flags.limit ?? defaultLimitBytes()),
  }
}

function render(inspection: Inspection): string {
  const { machine, engine, drivers, devices, backends, model, cache } = inspection
  const limit = machine.memoryLimitBytes
  const sections = [
    section('Machine', [
      ['system', `${machine.os}, Node ${machine.node}`],
      ['CPU', `${machine.cpu}, ${machine.cores} cores`],
      [
        'memory',
        `${formatBytes(machine.memoryBytes)}, ${formatBytes(machine.freeMemoryBytes)} free${limit ? `, limited to ${formatBytes(limit)}` : ''}`,
      ],
      ['matrices', engineLine(engine)],
    ]),
    section(
      'Drivers',
      drivers.map((driver) => [driver.name, driverLine(driver)]),
    ),
    section('GPUs', deviceRows(devices)),
    section(
      'Backends',
      backends.map((backend) => [backend.name, backendLine(backend)]),
    ),
  ]
  if (model && cache) sections.push(modelSection(model), geometryTable(cache))
  return sections.join('\n\n')
}

function section(title: string, rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([name]) => name.length))
  return [title, ...rows.map(([name, text]) => `  ${name.padEnd(width)}  ${text}`)].join('\n')
}

/** Why something is not there, in one line. */
const notAvailable = (reason: string) => `not available: ${reason.replaceAll(/\n\s*-?\s*/g, ' ')}`

function engineLine(engine: EngineReport): string {
  if (!engine.available) return notAvailable(engine.reason)
  return `${engine.bfloat16 ? 'bfloat16' : 'float32'} by oneDNN ${engine.oneDnn} (${engine.isa})`
}

function driverLine(driver: DriverReport): string {
  return driver.available
    ? `available: up to ${formatBytes(driver.limitBytes)}, ${driver.mappingBudget} mappings`
    : notAvailable(driver.reason)
}

function backendLine(backend: BackendReport): string {
  if (!backend.available) return notAvailable(backend.reason)
  const { serves } = backend
  if (!serves) {
    const { dtypes, cacheKinds, headDims } = backend.capabilities
    const kinds = cacheKinds.join(' and ')
    return `available: ${kinds} caches, ${dtypes.join(', ')}, head dim ${describeHeadDims(headDims)}`
  }
  return (['contiguous', 'paged'] as const)
    .map((kind) => {
      const { cache, reasons } = serves[kind]
      if (reasons.length > 0) {
        return `${kind}: no, ${reasons.map(({ message }) => message).join('; ')}`
      }
      const blocks = kind === 'paged' && cache.blockTokens !== 16
      return `${kind}: yes${blocks ? ` (blocks of ${cache.blockTokens})` : ''}`
    })
    .join('; ')
}

function deviceRows({ devices, driverVersion, reason }: DeviceList): [string, string][] {
  const driver: [string, string][] = driverVersion ? [['driver', `for CUDA ${driverVersion}`]] : []
  if (devices.length === 0)
    return [...driver, ['none', (reason ?? '').replaceAll(/\s*\n\s*/g, ' ')]]
  return [
    ...driver,
    ...devices.map((gpu): [string, string] => [deviceName(gpu.device), deviceLine(gpu)]),
  ]
}

function deviceLine(gpu: CudaDeviceInfo): string {
  const { name, computeCapability, totalBytes, freeBytes, unusable } = gpu
  const about = `${name}, compute capability ${computeCapability}`
  if (unusable) return `${about}, ${notAvailable(unusable)}`
  return `${about}, ${formatBytes(totalBytes)}, ${formatBytes(freeBytes)} free`
}

function modelSection({
  name,
  architecture,
  parameters,
  contextLength,
  config,
}: NonNullable<Inspection['model']>): string {
  const { layers, queryHeads, kvHeads, headDim } = config
  return section('Model', [
    ['name', name],
    [
      'size',
      `${architecture}, ${(parameters / 1e6).toFixed(0)} M parameters, ${contextLength} tokens of context`,
    ],
    [
      'attention',
      `${layers} layers, ${queryHeads} query heads over ${kvHeads} KV heads of ${headDim}`,
    ],
  ])
}

const layoutName = (layout: Layout) =>
  typeof layout === 'string' ? layout : `layer-group=${layout.layerGroup}`

function geometryTable({ shape, contiguous, paged }: CacheGeometries): string {
  const table = new Table({
    head: ['cache', 'bytes per token', 'unit', 'tokens per unit', 'waste per sequence', 'reserved'],
    style: { head: [], border: [] },
  })
  for (const geometry of contiguous) {
    table.push([
      `vattention, ${layoutName(geometry.layout)}`,
      geometry.bytesPerToken,
      `page of ${formatBytes(geometry.smallestPageBytes)} × ${geometry.tensors}`,
      geometry.tokensPerPage.toFixed(1),
      `< ${formatBytes(geometry.wasteBoundBytes)}`,
      `${formatBytes(geometry.reservedBytes)} of addresses`,
    ])
  }
  for (const geometry of paged) {
    table.push([
      `paged, ${geometry.blockTokens} tokens`,
      geometry.bytesPerToken,
      `block of ${formatBytes(geometry.blockBytes)}`,
      String(geometry.blockTokens),
      `< ${formatBytes(geometry.wasteBoundBytes)}`,
      `${formatBytes(geometry.poolBytes)} of memory`,
    ])
  }
  return `KV cache in ${shape.dtype}, ${shape.maxSequences} sequences of up to ${shape.maxLength} tokens\n${table.toString()}`
}
