import type { TopicAccess } from '../access/topic-access.ts'
import type { BrokerCounters } from './counters.ts'
import type { JournalPort } from './journal-port.ts'
import type { Message, QueueEntry } from './message.ts'
import type { Session } from './session.ts'
import type { ShareGroup } from './subscription-trie.ts'

/** Limits of what waits for one session; 0 means none. */
export interface QueueLimits {
  readonly max_queued_messages: number
  readonly max_queued_bytes: number
}

/** Moves messages from the sessions' queues to their clients and takes acknowledgements back. */
export class Delivery {
  readonly #limits: QueueLimits
  readonly #journal: JournalPort
  readonly #counters: BrokerCounters
  /** Sessions with QoS 2 messages that wait for the journal. */
  readonly #waiting = new Set<Session>()
  queuedCount = 0
  queuedBytes = 0

  constructor(limits: QueueLimits, journal: JournalPort, counters: BrokerCounters) {
    this.#limits = limits
    this.#journal = journal
    this.#counters = counters
  }

  /** Whether nothing more should be put into the session's queue. */
  isFull(session: Session): boolean {
    const { max_queued_messages: messagesMax, max_queued_bytes: bytesMax } = this.#limits
    return (
      (bytesMax > 0 && session.queuedBytes >= bytesMax) ||
      (messagesMax > 0 && session.queuedCount >= messagesMax)
    )
  }

  /** Sends a QoS 0 message if the client keeps up; else it is dropped and counted. */
  sendAtMostOnce(
    session: Session,
    message: Message,
    retain: boolean,
    subscriptionIds: readonly number[],
    mayOverfill: boolean,
  ): void {
    const { client } = session
    if (!client) return
    const delivered =
      (mayOverfill || !client.isCongested) &&
      client.publish({ message, qos: 0, packetId: 0, isDuplicate: false, retain, subscriptionIds })
    if (!delivered) this.#counters.publishDropped++
  }

  /** Puts a message at the end of the session's queue; `pump` sends it. */
  enqueue(
    session: Session,
    message: Message,
    qos: 1 | 2,
    retain: boolean,
    subscriptionIds: readonly number[],
    group?: ShareGroup,
  ): QueueEntry {
    message.own()
    const entry: QueueEntry = {
      message,
      qos,
      retain,
      subscriptionIds,
      group,
      packetId: 0,
      state: 'queued',
      isDuplicate: false,
      sendAfter: 0,
    }
    this.adopt(session, entry)
    return entry
  }

  /** Puts an entry where its state says: in flight or at the end of the queue. */
  adopt(session: Session, entry: QueueEntry): void {
    if (entry.packetId === 0) session.queue.push(entry)
    else session.inFlight.set(entry.packetId, entry)
    entry.message.holders++
    session.queuedBytes += entry.message.bytes
    this.queuedCount++
    this.queuedBytes += entry.message.bytes
  }

  /** Sends what the client's quota and its connection allow. */
  pump(session: Session, nowMs: number): void {
    const { client, queue, inFlight } = session
    if (!client) return
    let lastSent: Message | undefined
    while (inFlight.size < session.sendQuota && !client.isCongested) {
      const entry = queue.shift()
      if (!entry) break
      if (entry.message.expiresAtMs <= nowMs) {
        this.#drop(session, entry)
        continue
      }
      entry.packetId = session.nextPacketId()
      entry.state = 'inFlight'
      inFlight.set(entry.packetId, entry)
      if (entry.qos === 2 && session.isDurable) {
        // After a crash the same identifier must mean the same message: the receiver tells
        // duplicates by it [MQTT-4.3.3-5], so it is durable before it is used.
        this.#journal.assigned(session, entry)
        entry.sendAfter = this.#journal.appended
      }
      if (entry.sendAfter > this.#journal.durable) {
        session.unsent.push(entry)
        this.#waiting.add(session)
        this.#journal.demand(entry.sendAfter)
      } else {
        lastSent = entry.message
        this.#send(session, entry)
      }
    }
    if (lastSent && session.isDurable) this.#journal.sent(session, lastSent)
  }

  /** Sends the QoS 2 messages that waited for the journal to reach `durable`. */
  onDurable(durable: number): void {
    for (const session of this.#waiting) {
      for (;;) {
        const entry = session.unsent.peek()
        if (!entry || entry.sendAfter > durable) break
        session.unsent.shift()
        if (session.client && session.inFlight.get(entry.packetId) === entry)
          this.#send(session, entry)
      }
      if (session.unsent.length === 0) this.#waiting.delete(session)
    }
  }

  /** Sends again what a client that is back has not acknowledged, in order [MQTT-4.4.0-1]. */
  resume(session: Session, nowMs: number): void {
    for (const entry of [...session.inFlight.values()]) {
      if (entry.sendAfter > this.#journal.durable) {
        session.unsent.push(entry)
        this.#waiting.add(session)
        this.#journal.demand(entry.sendAfter)
      } else if (entry.state === 'received') session.client?.release(entry.packetId)
      else this.#send(session, entry)
    }
    this.pump(session, nowMs)
  }

  /** The connection is gone; what was in flight is sent again when the client is back. */
  suspend(session: Session): void {
    session.unsent.clear()
    this.#waiting.delete(session)
  }

  /** PUBACK of a QoS 1 message. */
  acknowledged(session: Session, packetId: number, nowMs: number): void {
    const entry = session.inFlight.get(packetId)
    if (entry?.qos !== 1) return
    this.#complete(session, entry)
    this.pump(session, nowMs)
  }

  /** PUBREC of a QoS 2 message. Gives the position after which PUBREL may leave; -1 where it is unknown. */
  received(session: Session, packetId: number, isRefused: boolean, nowMs: number): number {
    const entry = session.inFlight.get(packetId)
    if (entry?.qos !== 2) return -1
    if (isRefused) {
      this.#complete(session, entry)
      this.pump(session, nowMs)
      return -1
    }
    if (entry.state !== 'received') {
      entry.state = 'received'
      if (session.isDurable) this.#journal.received(session, entry)
    }
    return session.isDurable ? this.#journal.appended : 0
  }

  /** PUBCOMP of a QoS 2 message. */
  completed(session: Session, packetId: number, nowMs: number): void {
    const entry = session.inFlight.get(packetId)
    if (entry?.state !== 'received') return
    this.#complete(session, entry)
    this.pump(session, nowMs)
  }

  /**
   * Drops what waits for a session and may not be read by it any more. What is in flight to a client
   * that is there has left already.
   */
  dropUnreadable(session: Session, access: TopicAccess): void {
    const waiting = [...session.queue]
    const inFlight = session.client ? [] : [...session.inFlight.values()]
    const unreadable = [...inFlight, ...waiting].filter(
      ({ message, state }) => state !== 'received' && !access.mayRead(message.topic),
    )
    if (unreadable.length === 0) return
    const dropped = new Set(unreadable)
    session.queue.clear()
    for (const entry of waiting) if (!dropped.has(entry)) session.queue.push(entry)
    for (const entry of unreadable) this.#drop(session, entry)
  }

  /** Lets go of everything that waits for a session that has ended. */
  abandon(session: Session): void {
    this.suspend(session)
    for (const entry of [...session.inFlight.values(), ...session.queue])
      this.#leave(session, entry)
    session.inFlight.clear()
    session.queue.clear()
    this.#wake(session)
  }

  /** One holder less; the last one lets the journal forget the message. */
  release(message: Message): void {
    message.holders--
    if (message.holders === 0) this.#journal.forget(message)
  }

  #send(session: Session, entry: QueueEntry): void {
    const { message, qos, packetId, retain, subscriptionIds } = entry
    const isDuplicate = entry.isDuplicate
    entry.isDuplicate = true
    const { client } = session
    if (client?.publish({ message, qos, packetId, isDuplicate, retain, subscriptionIds })) return
    // Larger than the client takes: it is as if it were delivered [MQTT-3.1.2-25].
    if (client) this.#drop(session, entry)
  }

  #drop(session: Session, entry: QueueEntry): void {
    this.#counters.publishDropped++
    this.#complete(session, entry)
  }

  #complete(session: Session, entry: QueueEntry): void {
    if (entry.packetId !== 0) session.inFlight.delete(entry.packetId)
    if (session.isDurable) this.#journal.completed(session, entry.message)
    this.#leave(session, entry)
    if (session.waiters.size > 0 && this.#hasRoom(session)) this.#wake(session)
  }

  #leave(session: Session, entry: QueueEntry): void {
    session.queuedBytes -= entry.message.bytes
    this.queuedCount--
    this.queuedBytes -= entry.message.bytes
    this.release(entry.message)
  }

  /** Room for many, so that of a thousand publishers that wait not all are called for each message. */
  #hasRoom(session: Session): boolean {
    const { max_queued_messages: messagesMax, max_queued_bytes: bytesMax } = this.#limits
    return (
      (bytesMax === 0 || session.queuedBytes <= bytesMax * 0.875) &&
      (messagesMax === 0 || session.queuedCount <= Math.floor(messagesMax * 0.875))
    )
  }

  #wake(session: Session): void {
    const waiters = [...session.waiters]
    session.waiters.clear()
    for (const wake of waiters) wake()
  }
}
