import type { AttentionBackend } from './attention-backend.ts'
import type { AttentionConfig } from './attention-config.ts'
import { errors, type Reason } from './errors.ts'

/** A candidate that was not chosen, with every reason. Not being tried is no reason. */
export interface Rejected {
  readonly name: string
  readonly reasons: readonly Reason[]
}

/** The choice and what it was preferred to. */
export interface Selection<B extends AttentionBackend = AttentionBackend> {
  readonly backend: B
  /** Candidates before the chosen one in the order, and why they could not serve. */
  readonly rejected: readonly Rejected[]
}

/** How to choose. */
export interface SelectOptions {
  /** Only this backend will do: it runs or the call throws; it is never replaced. */
  readonly name?: string
}

/**
 * The first of `candidates`, in their order, that can serve `config`.
 * @throws `ERR_VATTENTION_NO_BACKEND` with every candidate's reasons;
 * `ERR_VATTENTION_UNKNOWN_BACKEND` and `ERR_VATTENTION_BACKEND_UNSUPPORTED` for a named one.
 */
export function selectBackend<B extends AttentionBackend>(
  config: AttentionConfig,
  candidates: readonly B[],
  options: SelectOptions = {},
): Selection<B> {
  if (options.name !== undefined) return selectNamed(config, candidates, options.name)
  const rejected: Rejected[] = []
  for (const backend of candidates) {
    const reasons = backend.validate(config)
    if (reasons.length === 0) return { backend, rejected }
    rejected.push({ name: backend.name, reasons })
  }
  throw errors.noBackend(rejected)
}

function selectNamed<B extends AttentionBackend>(
  config: AttentionConfig,
  candidates: readonly B[],
  name: string,
): Selection<B> {
  const backend = candidates.find((candidate) => candidate.name === name)
  if (!backend)
    throw errors.unknownBackend(
      name,
      candidates.map((candidate) => candidate.name),
    )
  const reasons = backend.validate(config)
  if (reasons.length === 0) return { backend, rejected: [] }
  const others = candidates.filter(
    (other) => other !== backend && other.validate(config).length === 0,
  )
  const advice = others.length
    ? `Use ${others.map((other) => other.name).join(' or ')} (valid here), or let automatic selection choose.`
    : 'None of the other backends offered can serve it either.'
  throw errors.backendUnsupported(name, reasons, advice)
}
