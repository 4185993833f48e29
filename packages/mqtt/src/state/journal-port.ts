import type { Message, QueueEntry } from './message.ts'
import type { Session } from './session.ts'
import type { Subscription } from './subscription-trie.ts'

/** Where in the journal the newest record of something stands. */
export interface SegmentRef {
  readonly sequence: number
  /** Bytes of records in it that are still the newest of what they describe. */
  liveBytes: number
}

/** Something that has one newest record in the journal. */
export interface JournalObject {
  segment: SegmentRef | undefined
  recordBytes: number
}

/**
 * Where the state writes what must outlive the process. Positions grow with each record; what is
 * acknowledged waits until `durable` has passed its position.
 */
export interface JournalPort {
  /** Position behind the last record that was appended. */
  readonly appended: number
  /** Position up to which everything survives a power loss. */
  readonly durable: number
  /** Asks for `position` to become durable soon. */
  demand(position: number): void
  session(session: Session): void
  sessionEnded(session: Session): void
  subscribed(session: Session, subscription: Subscription): void
  unsubscribed(session: Session, subscription: Subscription): void
  /** The message with its place in each of `entries`' queues; `publisher` is noted for QoS 2. */
  message(message: Message, holders: readonly Holder[], origin?: Origin): void
  /** A packet identifier was given to a QoS 2 message. */
  assigned(session: Session, entry: QueueEntry): void
  /** The client has confirmed a QoS 2 message by PUBREC. */
  received(session: Session, entry: QueueEntry): void
  /** All up to `message` were sent; written with the next commit. */
  sent(session: Session, message: Message): void
  /** The client is done with `message`; written with the next commit. */
  completed(session: Session, message: Message): void
  /** The publisher has released a QoS 2 packet identifier. */
  released(session: Session, packetId: number): void
  retainedCleared(topic: string): void
  /** The newest record of `object` says nothing any more. */
  forget(object: JournalObject): void
}

/** A message's place in the queue of one session. */
export interface Holder {
  readonly session: Session
  readonly entry: QueueEntry
}

/** The persistent session that published a QoS 2 message, and under which identifier. */
export interface Origin {
  readonly session: Session
  readonly packetId: number
}

const nothing = (): void => {}

/** The journal of a broker without persistence. */
export const noJournal: JournalPort = {
  appended: 0,
  durable: 0,
  demand: nothing,
  session: nothing,
  sessionEnded: nothing,
  subscribed: nothing,
  unsubscribed: nothing,
  message: nothing,
  assigned: nothing,
  received: nothing,
  sent: nothing,
  completed: nothing,
  released: nothing,
  retainedCleared: nothing,
  forget: nothing,
}
