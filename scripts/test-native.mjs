// Builds and runs the native tests (native/tests) three times: as they ship, under AddressSanitizer
// with UndefinedBehaviorSanitizer, and under ThreadSanitizer. Those that can use a GPU run a second
// time, on a simulated one (native/simulated_cuda).
//
//   npm run test:native                       all three
//   npm run test:native -- plain              one of plain, address, thread
//   npm run test:native -- thread page_pool   only tests whose executable's name contains page_pool
import { execFile, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

import { bootstrap, root } from './bootstrap.mjs'
import { prepareBuildFolder } from './build-folder.mjs'
import { runMain, say } from './progress.mjs'

/**
 * Every variant has its own build folder, so that switching rebuilds nothing. Sanitizers get the
 * baseline of the instruction sets only: the kernels' source is one for all, and instrumenting the
 * wide ones takes the compiler ten minutes. What wide loads could do past an end, the plain variant
 * finds with pages that must not be touched (attention_cpu_memory_test).
 */
const variants = {
  plain: { folder: 'build', type: 'Release', sanitize: '', simd: 'all' },
  address: {
    folder: 'build-address',
    type: 'RelWithDebInfo',
    sanitize: 'address,undefined',
    simd: 'baseline',
  },
  thread: {
    folder: 'build-thread',
    type: 'RelWithDebInfo',
    sanitize: 'thread',
    simd: 'baseline',
  },
}

/** A hang is a failure; no test comes near this. */
const timeoutMs = 10 * 60_000

/** ThreadSanitizer does not start when the kernel spreads addresses more than it expects. */
function withoutRandomAddresses(env) {
  const setarch = ['setarch', process.arch === 'x64' ? 'x86_64' : 'aarch64', '-R']
  const works = spawnSync(setarch[0], [...setarch.slice(1), 'true'], { env }).status === 0
  return works ? setarch : []
}

function build({ folder, type, sanitize, simd }, env) {
  const directory = join(root, 'native', folder)
  prepareBuildFolder(directory, env)
  const run = (...args) => spawnSync('cmake', args, { env, stdio: ['ignore', 2, 2] }).status === 0
  const configured = run(
    ...['-S', join(root, 'native'), '-B', directory, '-G', 'Ninja', '--log-level=WARNING'],
    ...[`-DCMAKE_BUILD_TYPE=${type}`, `-DVATTN_SANITIZE=${sanitize}`],
    `-DVATTN_SIMD_TARGETS=${simd}`,
  )
  return configured && run('--build', directory) ? directory : undefined
}

/** Runs one executable. One that crashes counts as one failure. */
async function runTest(variant, name, [program, ...args], env, more) {
  const { status, signal, stdout, stderr } = await new Promise((resolve) => {
    execFile(
      program,
      args,
      {
        timeout: timeoutMs,
        maxBuffer: 64 * 2 ** 20,
        env: {
          ...env,
          ...more,
          ASAN_OPTIONS: 'detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1',
          UBSAN_OPTIONS: 'print_stacktrace=1',
          TSAN_OPTIONS: 'halt_on_error=0:second_deadlock_stack=1',
        },
      },
      (error, stdout, stderr) =>
        resolve({ status: error ? error.code : 0, signal: error?.signal, stdout, stderr }),
    )
  })
  const counts = /(\d+) passed, (\d+) failed\s*$/.exec(stdout)
  const ok = status === 0 && counts !== null
  say(`${ok ? 'ok    ' : 'FAILED'} ${variant} ${name}${counts ? `: ${counts[0].trim()}` : ''}`)
  if (!ok) say(`${stdout}${stderr}${signal ? `ended by ${signal}\n` : ''}`)
  return {
    passed: counts ? Number(counts[1]) : 0,
    failed: Math.max(counts ? Number(counts[2]) : 0, ok ? 0 : 1),
  }
}

/** Runs the executables of one variant, as many at a time as there are cores, and sums up. */
async function runTests(variant, folder, filter, env) {
  const total = { passed: 0, failed: 0 }
  const listed = (file) => {
    const names = readFileSync(join(folder, file), 'utf8').trim().split('\n')
    return names.filter((each) => each !== '' && each.includes(filter))
  }
  const simulator = join(folder, 'simulated_cuda')
  const left = [
    ...listed('tests.txt').map((name) => ({ name, title: name, more: {} })),
    ...(existsSync(simulator) ? listed('gpu-tests.txt') : []).map((name) => ({
      name,
      title: `${name} on a simulated GPU`,
      more: { LD_LIBRARY_PATH: simulator, VATTENTION_TEST_DEVICE: 'cuda' },
    })),
  ]
  const prefix = variant === 'thread' ? withoutRandomAddresses(env) : []
  const work = async () => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      const command = [...prefix, join(folder, 'tests', next.name)]
      const { passed, failed } = await runTest(variant, next.title, command, env, next.more)
      total.passed += passed
      total.failed += failed
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, work))
  return total
}

/** Builds and runs; returns the sums over all variants asked for. */
export async function testNative(names, filter, env) {
  const total = { passed: 0, failed: 0 }
  for (const name of names) {
    say(`Building native tests: ${name}`)
    const folder = build(variants[name], env)
    const { passed, failed } = folder
      ? await runTests(name, folder, filter, env)
      : { passed: 0, failed: 1 }
    total.passed += passed
    total.failed += failed
  }
  return total
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await runMain(async () => {
    const env = await bootstrap()
    const args = process.argv.slice(2)
    const named = args[0] !== undefined && args[0] in variants ? [args.shift()] : undefined
    const total = await testNative(named ?? Object.keys(variants), args[0] ?? '', env)
    const reports = join(root, 'native/reports')
    mkdirSync(reports, { recursive: true })
    if (!named && !args[0]) writeFileSync(join(reports, 'native.json'), JSON.stringify(total))
    console.log(`${total.passed} passed, ${total.failed} failed`)
    return total.failed === 0 && total.passed > 0 ? 0 : 1
  })
}
