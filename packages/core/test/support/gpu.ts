import type { Device } from '@vattention/interface'

/** A GPU that no machine has: calls get as far as they do without one. */
export const noGpu: Device = { type: 'cuda', index: 1000 }
