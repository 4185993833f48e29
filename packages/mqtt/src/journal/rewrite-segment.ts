import type { BrokerState } from '../state/broker-state.ts'
import type { Holder } from '../state/journal-port.ts'
import type { Message } from '../state/message.ts'
import type { Journal } from './journal.ts'
import type { Segment } from './segment-log.ts'

/** Writes again whatever has its newest record in `segment`, so that the segment can be deleted. */
export function rewriteSegment(segment: Segment, state: BrokerState, journal: Journal): void {
  const messages = new Map<Message, Holder[]>()
  const unneeded = new Set<Message>()
  for (const session of state.sessions.values()) {
    if (session.segment === segment) journal.session(session)
    for (const subscription of session.subscriptions.values())
      if (subscription.segment === segment) journal.subscribed(session, subscription)
    for (const entry of [...session.inFlight.values(), ...session.queue]) {
      const { message } = entry
      if (message.segment !== segment) continue
      if (!session.isDurable) unneeded.add(message)
      else if (!messages.get(message)?.push({ session, entry }))
        messages.set(message, [{ session, entry }])
    }
  }
  for (const message of state.retained)
    if (message.segment === segment && !messages.has(message)) messages.set(message, [])
  for (const [message, holders] of messages) journal.message(message, holders)
  // Only sessions that end with their connection still wait for these.
  for (const message of unneeded) if (message.segment === segment) journal.forget(message)
}
