/** The command line. */
import { parseArgs } from 'node:util'
import { cpu, type Device, type DType } from '@vattention/interface'

import type { InteropOptions } from './torch-interop.ts'

const dtypes: readonly DType[] = ['float32', 'float16', 'bfloat16']

/** What `--help` prints. */
export const usage = `Shares the pages of a KV cache with PyTorch in another process.

  --python <path>   the Python that has PyTorch (default: python3)
  --device <name>   cpu, cuda or cuda:<n> (default: cpu)
  --dtype <type>    ${dtypes.join(', ')} (default: bfloat16)
  --layout <name>   interleaved or split (default: the device's; on a GPU split takes more descriptors)
  --read-only       Python may not write`

/** @throws TypeError saying which flag is wrong. */
export function parseFlags(args: readonly string[]): InteropOptions & { readonly help: boolean } {
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { type: 'boolean', default: false },
      python: { type: 'string', default: 'python3' },
      device: { type: 'string', default: 'cpu' },
      dtype: { type: 'string', default: 'bfloat16' },
      layout: { type: 'string' },
      'read-only': { type: 'boolean', default: false },
    },
  })
  const dtype = values.dtype as DType
  if (!dtypes.includes(dtype)) {
    throw new TypeError(`--dtype: one of ${dtypes.join(', ')} expected, found ${dtype}`)
  }
  const { layout } = values
  if (layout !== undefined && layout !== 'interleaved' && layout !== 'split') {
    throw new TypeError(`--layout: interleaved or split expected, found ${layout}`)
  }
  return {
    help: values.help,
    python: values.python,
    device: parseDevice(values.device),
    dtype,
    writable: !values['read-only'],
    ...(layout ? { layout } : {}),
  }
}

function parseDevice(text: string): Device {
  if (text === 'cpu') return cpu
  const [matched, index = '0'] = /^cuda(?::(\d+))?$/.exec(text) ?? []
  if (matched === undefined) {
    throw new TypeError(`--device: cpu, cuda or cuda:<n> expected, found ${text}`)
  }
  return { type: 'cuda', index: Number(index) }
}
