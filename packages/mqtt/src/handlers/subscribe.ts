import type { ISubscribePacket, IUnsubscribePacket } from 'mqtt-packet'
import { ProtocolError } from '../errors.ts'
import type { ProtocolVersion, Qos } from '../protocol/publish.ts'
import { Reason } from '../protocol/reason.ts'
import { parseFilter } from '../protocol/topic.ts'
import type { BrokerState } from '../state/broker-state.ts'
import type { Session } from '../state/session.ts'
import type { Subscription } from '../state/subscription-trie.ts'

// SUBSCRIBE and UNSUBSCRIBE, MQTT 3.1, 3.1.1 and 5 (sections 3.8 to 3.11).

/** Codes for SUBACK in the order of the filters, and the subscriptions that get retained messages. */
export interface Granted {
  readonly codes: number[]
  readonly withRetained: Subscription[]
}

/** @throws ProtocolError where the connection must end. */
export function subscribe(
  packet: ISubscribePacket,
  session: Session,
  version: ProtocolVersion,
  qosMax: Qos,
  state: BrokerState,
): Granted {
  const codes: number[] = []
  const withRetained: Subscription[] = []
  for (const wanted of packet.subscriptions) {
    const parsed = parseFilter(wanted.topic)
    if (!parsed) {
      // MQTT 3.1 has no code for failure, and a filter that is not well formed ends the connection.
      if (version === 3) throw new ProtocolError(Reason.topicFilterInvalid, 'a topic filter')
      codes.push(version === 5 ? Reason.topicFilterInvalid : 0x80)
      continue
    }
    const isShared = parsed.share !== undefined
    if (isShared && wanted.nl === true)
      throw new ProtocolError(Reason.protocolError, 'a shared subscription with no local')
    const qos = Math.min(wanted.qos, qosMax) as Qos
    const { subscription, isNew } = state.subscribe(session, wanted.topic, parsed, {
      qos,
      noLocal: wanted.nl ?? false,
      retainAsPublished: wanted.rap ?? false,
      subscriptionId: packet.properties?.subscriptionIdentifier ?? 0,
    })
    const handling = wanted.rh ?? 0
    if (!isShared && (handling === 0 || (handling === 1 && isNew))) withRetained.push(subscription)
    codes.push(qos)
  }
  return { codes, withRetained }
}

/** Codes for UNSUBACK in the order of the filters. */
export function unsubscribe(
  packet: IUnsubscribePacket,
  session: Session,
  state: BrokerState,
): number[] {
  return packet.unsubscriptions.map((written) => {
    if (!parseFilter(written)) return Reason.topicFilterInvalid
    return state.unsubscribe(session, written) ? Reason.success : Reason.noSubscriptionExisted
  })
}
