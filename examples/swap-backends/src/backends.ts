/** The backends that `--backend` can name: to serve from another one, add it here. */
import { createCpuBackend } from '@vattention/cpu'
import type { AttentionBackend } from '@vattention/interface'

import { NaiveBackend } from '../../custom-backend/src/naive-backend.ts'

/** Backends by name, in the order in which they are preferred when none is named. */
export const backendMakers: Readonly<Record<string, () => AttentionBackend>> = {
  cpu: () => createCpuBackend(),
  naive: () => new NaiveBackend(),
}
