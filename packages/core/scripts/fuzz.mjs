// Fuzzes the contiguous cache against its shadow model from any seed:
//
//   npm run fuzz -w @vattention/core -- --seed 7 --operations 1000000
import { spawnSync } from 'node:child_process'
import { parseArgs } from 'node:util'

const options = {
  /** Decides everything that is done. Default: the time. */
  seed: { type: 'string' },
  /** Operations in all. Default: 1000000. */
  operations: { type: 'string' },
}

function read() {
  const { values } = parseArgs({ options })
  const numbers = {
    seed: Number(values.seed ?? Date.now() % 2 ** 31),
    operations: Number(values.operations ?? 1_000_000),
  }
  for (const [name, value] of Object.entries(numbers)) {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new Error(`--${name}: an integer of at least 0 required, found ${values[name]}`)
    }
  }
  return numbers
}

try {
  const { seed, operations } = read()
  console.log(`${operations} operations from seed ${seed}`)
  const args = ['vitest', 'run', 'test/fuzz.test.ts', '--testTimeout', '0']
  const { status } = spawnSync('npx', args, {
    cwd: new URL('..', import.meta.url),
    env: {
      ...process.env,
      VATTENTION_FUZZ_SEED: String(seed),
      VATTENTION_FUZZ_OPERATIONS: String(operations),
    },
    stdio: 'inherit',
  })
  process.exitCode = status ?? 1
} catch (error) {
  console.error(error.message)
  process.exitCode = 2
}
