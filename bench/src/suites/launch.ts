import { Unavailable } from '../harness/index.ts'
import { namedShape, type Suite } from '../suite/index.ts'
import { shapeNumbers } from './memory/describe.ts'
import { launchBars } from './launch/bars.ts'
import { measureLaunch } from './launch/measure-launch.ts'
import { launchTasks } from './launch/tasks.ts'
import {
  findLaunchProgram,
  notBuilt,
  runLaunchProgram,
  type RunLaunchProgram,
} from './native/launch-program.ts'

/** The program's own. */
const shapeName = 'llama-3-8b'

/**
 * @param find The program's path; undefined when it was not built.
 * @param run Runs it; tests give their own.
 */
export const makeLaunch = (
  find: () => string | undefined = findLaunchProgram,
  run: RunLaunchProgram = runLaunchProgram,
): Suite => ({
  name: 'launch',
  kind: 'kernel',
  summary:
    'Launches from C++: ours against upstream’s own launchers, and the same kernel over mapped pages against one cudaMalloc.',
  budgetSeconds: { full: 60, quick: 20 },
  open(context) {
    const { device, settings, recorder } = context
    if (!device.isGpu) throw new Unavailable('upstream’s launchers are those of NVIDIA GPUs')
    const file = find()
    if (file === undefined) throw new Unavailable(notBuilt)
    for (const { name } of settings.shapes ?? []) {
      if (name !== shapeName) recorder.skip(name, `the program has the heads of ${shapeName}`)
    }
    const rounds = settings.quick ? 6 : 40
    const { backends } = settings
    return {
      protocol: {
        timer: 'CUDA events on the launch stream, no wait of the host within a round',
        order: 'shuffled in every round; ratios within rounds, medians, 95 % bootstrap intervals',
        cache: '512 MiB written before every sample; launches rotate through 4 layers',
        gate: 'outputs of all subjects beside upstream’s, within 0.02, before they are timed',
        raw: 'upstream’s launcher, called with parameters that were made once',
        pages: 'a contiguous cache; cudaMalloc: the same rows in an allocation of the CUDA runtime',
        rounds,
      },
      workload: {
        shape: shapeNumbers(namedShape(shapeName)),
        layout: 'split; of PagedAttention, blocks of 16 tokens',
        tasks: launchTasks.map(({ name }) => name),
      },
      // A process for each task: what was measured is kept when the run is interrupted.
      cells: launchTasks.flatMap(({ name: task, backends: all }) =>
        (backends ?? [undefined]).map((backend) => {
          const name = backend === undefined ? task : `${backend} ${task}`
          const cases = backend === undefined ? all : 1
          return {
            name,
            weight: cases,
            measure: (budgetMs: number) =>
              measureLaunch(context, file, run, { name, only: name, cases, rounds }, budgetMs),
          }
        }),
      ),
      conclude: () => launchBars(context),
      close: () => undefined,
    }
  },
})

/** Our launches beside upstream's, without JavaScript. */
export const launch = makeLaunch()
