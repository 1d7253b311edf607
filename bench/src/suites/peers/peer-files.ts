import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

import { Unavailable } from '../../harness/index.ts'
import { downloadFolder } from '../serve/default-model.ts'

/** A package that is never a dependency: used where it is found. */
export interface PeerPackage {
  readonly name: string
  /** What the bench was written for. */
  readonly version: string
  /** Its file to import, from its folder. */
  readonly entry: string
  /** What has to be named besides, since optional packages are mostly builds for GPUs. */
  readonly besides?: readonly string[]
}

const platform = `${process.platform}-${process.arch}`

/** The packages. */
export const peerPackages = {
  llama: {
    name: 'node-llama-cpp',
    version: '3.22.1',
    entry: 'dist/index.js',
    besides: [`@node-llama-cpp/${platform}@3.22.1`],
  },
  onnxruntime: { name: 'onnxruntime-node', version: '1.30.0', entry: 'dist/index.js' },
} as const satisfies Readonly<Record<string, PeerPackage>>

/** A folder of its own beside the other downloads. */
const folderOf = ({ name, version }: PeerPackage) => join(downloadFolder(), `${name}-${version}`)

/** Without the packages' own scripts, which would download or compile more. */
const installArguments = ({ name, version, besides = [] }: PeerPackage) => [
  'install',
  ...['--ignore-scripts', '--omit=optional', '--no-audit', '--no-fund'],
  ...[`${name}@${version}`, ...besides],
]

/**
 * The file to import of a package: as Node finds it from the working directory, else in the folder
 * that it is installed into for benches.
 *
 * @param install Whether to install it there when it is nowhere.
 * @throws Unavailable with the command that installs it
 */
export function findPeer(peer: PeerPackage, install: boolean): string {
  const found = resolveFromHere(peer) ?? installedEntry(peer)
  if (found !== undefined) return found
  const folder = folderOf(peer)
  const command = `npm ${installArguments(peer).join(' ')} --prefix ${folder}`
  if (install) {
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'package.json'), '{ "private": true }\n')
    const { status } = spawnSync('npm', installArguments(peer), { cwd: folder, stdio: 'inherit' })
    const installed = status === 0 ? installedEntry(peer) : undefined
    if (installed !== undefined) return installed
    throw new Unavailable(`npm could not install ${peer.name}: is there a network? (${command})`)
  }
  throw new Unavailable(`${peer.name} is not installed: add --install, or run ${command}`)
}

function installedEntry(peer: PeerPackage): string | undefined {
  const path = join(folderOf(peer), 'node_modules', peer.name, peer.entry)
  return existsSync(path) ? path : undefined
}

function resolveFromHere({ name, entry }: PeerPackage): string | undefined {
  const searched = createRequire(pathToFileURL(join(process.cwd(), 'x'))).resolve.paths(name) ?? []
  return searched.map((folder) => join(folder, name, entry)).find((path) => existsSync(path))
}

/** Path of a program that this package ships beside its code: `peers/<name>`. */
export function peerScript(name: string): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  for (;;) {
    const path = join(folder, 'peers', name)
    if (existsSync(path)) return path
    const above = dirname(folder)
    if (above === folder) throw new Error(`this package lacks its file peers/${name}`)
    folder = above
  }
}
