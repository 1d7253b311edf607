/**
 * A live sequence in one cache: slot index (low bits) and generation (high bits) in one 32-bit
 * integer, so that batches are typed arrays and a handle used after `free` is detected. How many
 * bits the slot takes follows from `maxSequences`; a slot whose generation would wrap is retired.
 * 0 is never a sequence.
 */
export type Sequence = number & { readonly __sequence: unique symbol }
