/** The error table of the engine. Errors of caches, backends and options are the contract's. */
import {
  ConfigurationError,
  defineError,
  DeviceError,
  OutOfMemoryError,
  StateError,
  type Reason,
} from '@vattention/interface'

const list = (reasons: readonly Reason[]) =>
  reasons.map((reason) => `\n  - ${reason.message}`).join('')

export const engineErrors = {
  modelFile: defineError(
    'ERR_VATTENTION_MODEL_FILE',
    'configuration',
    'A model file is missing, ends early or is not what its name says. The message names the file and what was expected.',
    (code, path: string, problem: string, options?: ErrorOptions) =>
      new ConfigurationError(code, `${path}: ${problem}`, [], options),
  ),
  modelUnsupported: defineError(
    'ERR_VATTENTION_MODEL_UNSUPPORTED',
    'configuration',
    'A model of another architecture, or with features or storage types that the engine does not compute. `reasons` lists every one, with what is supported.',
    (code, path: string, reasons: readonly Reason[]) =>
      new ConfigurationError(
        code,
        `${path} holds a model that cannot be run:${list(reasons)}`,
        reasons,
      ),
  ),
  tokenizerUnsupported: defineError(
    'ERR_VATTENTION_TOKENIZER_UNSUPPORTED',
    'configuration',
    "The model's tokenizer is of a kind that is not supported. Give a folder with a tokenizer.json, or pass tokens instead of text.",
    (code, path: string, reasons: readonly Reason[]) =>
      new ConfigurationError(
        code,
        `The tokenizer in ${path} is not supported:${list(reasons)}`,
        reasons,
      ),
  ),
  noTokenizer: defineError(
    'ERR_VATTENTION_NO_TOKENIZER',
    'configuration',
    'Text was given to a model that has no tokenizer (random weights, for example). Pass tokens instead.',
    (code, model: string) =>
      new ConfigurationError(
        code,
        `${model} has no tokenizer: give the prompt as tokens, or load the model with one.`,
      ),
  ),
  chatTemplate: defineError(
    'ERR_VATTENTION_CHAT_TEMPLATE',
    'configuration',
    'The model has no chat template, or its template refused these messages. The message has what the template said.',
    (code, problem: string, options?: ErrorOptions) =>
      new ConfigurationError(code, problem, [], options),
  ),
  engineUnsupported: defineError(
    'ERR_VATTENTION_ENGINE_UNSUPPORTED',
    'configuration',
    'Model, cache and backend do not fit each other, or one has no native part. `reasons` lists everything that does not fit.',
    (code, reasons: readonly Reason[]) =>
      new ConfigurationError(
        code,
        `The engine cannot run with this model, cache and backend:${list(reasons)}`,
        reasons,
      ),
  ),
  requestTooLong: defineError(
    'ERR_VATTENTION_REQUEST_TOO_LONG',
    'configuration',
    'The prompt, or prompt and `maxTokens` together, are longer than a sequence may be. Both numbers are in the message.',
    (code, needed: number, limit: number, what: string) =>
      new ConfigurationError(
        code,
        `The request needs ${needed} tokens (${what}), a sequence may have ${limit}. Shorten the prompt, lower maxTokens, or make engine and cache with a larger maxLength.`,
        [
          {
            code: 'maxLength',
            message: `${needed} tokens needed, ${limit} allowed`,
            expected: `at most ${limit} tokens`,
            found: String(needed),
          },
        ],
      ),
  ),
  requestTooLarge: defineError(
    'ERR_VATTENTION_REQUEST_TOO_LARGE',
    'outOfMemory',
    'A request does not fit into the cache even alone. Others are not affected. The message has what it lacked and the limit.',
    (code, tokens: number, neededBytes: number, limitBytes: number) =>
      new OutOfMemoryError(
        code,
        `A request of ${tokens} tokens does not fit into the cache even alone: ${neededBytes} bytes more than the limit of ${limitBytes} bytes are needed. Raise the cache's limitBytes or shorten the request.`,
      ),
  ),
  noSlot: defineError(
    'ERR_VATTENTION_NO_SLOT',
    'outOfMemory',
    'The cache has no slot for a request although the engine runs none: its slots are taken by others. Raise `maxSequences` or free them.',
    (code, slots: number) =>
      new OutOfMemoryError(
        code,
        `All ${slots} slots of the cache are taken by others than this engine. Free some or make the cache with a larger maxSequences.`,
      ),
  ),
  queueFull: defineError(
    'ERR_VATTENTION_QUEUE_FULL',
    'state',
    'As many requests wait as `maxWaiting` allows. Try again later.',
    (code, maxWaiting: number) =>
      new StateError(code, `${maxWaiting} requests wait already, which is maxWaiting.`),
  ),
  forwardFailed: defineError(
    'ERR_VATTENTION_FORWARD',
    'device',
    'A forward pass failed. The requests that were in it fail with this error; the engine goes on with the others. `cause` has the native error.',
    (code, message: string, options?: ErrorOptions) =>
      new DeviceError(code, `A forward pass failed: ${message}`, 'forward', 0, options),
  ),
  streamTaken: defineError(
    'ERR_VATTENTION_STREAM_TAKEN',
    'state',
    'A generation was iterated twice. Its parts can be consumed once; `result` can be awaited any number of times.',
    (code) =>
      new StateError(code, 'This generation is being iterated already. Await its result instead.'),
  ),
} as const
