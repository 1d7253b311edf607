import type { TraceProfile } from '../trace-profile.ts'
import { arxivLongOffline } from './arxiv-long-offline.ts'
import { arxivSample } from './arxiv-sample.ts'
import { azureCode } from './azure-2023-code.ts'
import { azureConversation } from './azure-2023-conv.ts'
import { mooncakeConversation } from './mooncake-conversation.ts'

/** The traces that can be generated, by name. */
export const traceProfiles: ReadonlyMap<string, TraceProfile> = new Map(
  [azureCode, azureConversation, arxivSample, arxivLongOffline, mooncakeConversation].map(
    (profile) => [profile.name, profile],
  ),
)
