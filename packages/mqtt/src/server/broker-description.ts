import type { Qos } from '../protocol/publish.ts'
import type { BrokerState } from '../state/broker-state.ts'
import { type ClientDescription, neverExpires } from '../state/session.ts'
import type { RefusalDescription } from './refusal-log.ts'

/** What a broker tells about itself to a console. */
export interface BrokerDescription {
  readonly clients: readonly ClientDescription[]
  readonly sessions: readonly SessionDescription[]
  readonly subscriptions: readonly SubscriptionDescription[]
  readonly retainedCount: number
  /** The last clients that were not let in, the latest first. */
  readonly refusals: readonly RefusalDescription[]
}

/** A session, with its client or without. */
export interface SessionDescription {
  readonly clientId: string
  readonly isConnected: boolean
  readonly isPersistent: boolean
  /** Seconds that it outlives its connection; null for ever. */
  readonly expirySeconds: number | null
  readonly queued: number
  readonly queuedBytes: number
  readonly inFlight: number
  /** Publishers that wait for room in its queue. */
  readonly waitingPublishers: number
}

/** What one client has asked for. */
export interface SubscriptionDescription {
  readonly clientId: string
  readonly filter: string
  readonly qos: Qos
}

/** At most `limit` clients, sessions and subscriptions each. */
export function describeState(
  state: BrokerState | undefined,
  refusals: readonly RefusalDescription[],
  limit: number,
): BrokerDescription {
  const clients: ClientDescription[] = []
  const sessions: SessionDescription[] = []
  const subscriptions: SubscriptionDescription[] = []
  for (const session of state?.sessions.values() ?? []) {
    const { clientId, client, expirySeconds } = session
    if (client && clients.length < limit) clients.push(client.describe())
    if (sessions.length < limit)
      sessions.push({
        clientId,
        isConnected: client !== undefined,
        isPersistent: session.isDurable,
        expirySeconds: expirySeconds === neverExpires ? null : expirySeconds,
        queued: session.queuedCount,
        queuedBytes: session.queuedBytes,
        inFlight: session.inFlight.size,
        waitingPublishers: session.waiters.size,
      })
    for (const { written, qos } of session.subscriptions.values())
      if (subscriptions.length < limit) subscriptions.push({ clientId, filter: written, qos })
  }
  return { clients, sessions, subscriptions, retainedCount: state?.retained.count ?? 0, refusals }
}
