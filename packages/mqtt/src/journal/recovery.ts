import type { Reader } from '@khlong/core/bytes'
import type { Qos } from '../protocol/publish.ts'
import { parseFilter } from '../protocol/topic.ts'
import type { BrokerState } from '../state/broker-state.ts'
import type { JournalObject } from '../state/journal-port.ts'
import { Message, type QueueEntry } from '../state/message.ts'
import { Session } from '../state/session.ts'
import type { Subscription } from '../state/subscription-trie.ts'
import { RecordType } from './segment-format.ts'
import type { Segment } from './segment-log.ts'

interface RecoveredSession {
  session: Session
  readonly subscriptions: Map<string, Subscription>
  /** Places in queues by message id. */
  readonly entries: Map<number, EntryFields>
  sentUpTo: number
}

type EntryFields = Omit<QueueEntry, 'message' | 'sendAfter'>

/** Replays the records of a journal and builds the broker's state from what is left. */
export class Recovery {
  readonly #sessions = new Map<number, RecoveredSession>()
  readonly #messages = new Map<number, Message>()
  readonly #retained = new Map<string, number>()
  #lastSession = 0
  #lastMessage = 0

  /** Takes the next record. */
  apply(type: number, body: Reader, segment: Segment, recordBytes: number): void {
    const place = <Placed extends JournalObject>(object: Placed): Placed => {
      object.segment = segment
      object.recordBytes = recordBytes
      return object
    }
    switch (type) {
      case RecordType.session:
        this.#session(body, place)
        break
      case RecordType.sessionEnded:
        this.#sessions.delete(body.uint32())
        break
      case RecordType.subscribed:
        this.#subscribed(body, place)
        break
      case RecordType.unsubscribed:
        this.#sessions.get(body.uint32())?.subscriptions.delete(readText(body))
        break
      case RecordType.message:
        this.#message(body, place)
        break
      case RecordType.assigned: {
        const entry = this.#entry(body)
        if (entry) {
          entry.packetId = body.uint16()
          entry.state = 'inFlight'
          // Its identifier was durable before it left; whether it did, nobody knows.
          entry.isDuplicate = true
        }
        break
      }
      case RecordType.received: {
        const entry = this.#entry(body)
        if (entry) entry.state = 'received'
        break
      }
      case RecordType.progress:
        this.#progress(body)
        break
      case RecordType.released:
        this.#sessions.get(body.uint32())?.session.receivedIds.delete(body.uint16())
        break
      case RecordType.retainedCleared:
        this.#retained.delete(readText(body))
        break
      default:
        // `durable` marks, and nothing else: the version says which types there are.
        break
    }
  }

  /** Fills an empty state with what was recovered. */
  finish(state: BrokerState, nowMs: number): void {
    for (const { session, subscriptions, entries, sentUpTo } of this.#sessions.values()) {
      if (session.disconnectedAtMs === 0) session.disconnectedAtMs = nowMs
      state.sessions.set(session.clientId, session)
      for (const subscription of subscriptions.values()) {
        count(subscription)
        session.subscriptions.set(subscription.written, subscription)
        state.subscriptions.add(subscription)
      }
      for (const [id, fields] of [...entries].sort(([a], [b]) => a - b)) {
        const message = this.#messages.get(id)
        if (!message) continue
        const isDuplicate = fields.isDuplicate || id <= sentUpTo
        state.delivery.adopt(session, { ...fields, isDuplicate, message, sendAfter: 0 })
      }
      count(session)
    }
    for (const id of this.#retained.values()) {
      const message = this.#messages.get(id)
      if (message && message.expiresAtMs > nowMs) state.restoreRetained(message)
    }
    for (const message of this.#messages.values())
      if (message.holders > 0) count(message)
      else message.segment = undefined
    state.reserveNumbers(this.#lastSession, this.#lastMessage)
  }

  #session(body: Reader, place: <P extends JournalObject>(object: P) => P): void {
    const number = body.uint32()
    const expirySeconds = body.uint32()
    const disconnectedAtMs = body.int64()
    const session = place(new Session(number, readText(body), expirySeconds))
    session.disconnectedAtMs = disconnectedAtMs
    for (let rest = body.count(body.uint16(), 2); rest > 0; rest--)
      session.receivedIds.add(body.uint16())
    this.#lastSession = Math.max(this.#lastSession, number)
    const known = this.#sessions.get(number)
    if (known) {
      known.session = session
      for (const [written, subscription] of known.subscriptions)
        known.subscriptions.set(written, { ...subscription, session })
    } else
      this.#sessions.set(number, {
        session,
        subscriptions: new Map(),
        entries: new Map(),
        sentUpTo: 0,
      })
  }

  #subscribed(body: Reader, place: <P extends JournalObject>(object: P) => P): void {
    const recovered = this.#sessions.get(body.uint32())
    const flags = body.uint8()
    const subscriptionId = body.uint32()
    const written = readText(body)
    const parsed = parseFilter(written)
    if (!recovered || !parsed) return
    const subscription: Subscription = place({
      session: recovered.session,
      written,
      ...parsed,
      qos: (flags & 3) as Qos,
      noLocal: (flags & 4) !== 0,
      retainAsPublished: (flags & 8) !== 0,
      subscriptionId,
      segment: undefined,
      recordBytes: 0,
    })
    recovered.subscriptions.set(written, subscription)
  }

  #message(body: Reader, place: <P extends JournalObject>(object: P) => P): void {
    const id = body.int64()
    const flags = body.uint8()
    const expiresAtMs = (flags & 32) !== 0 ? body.int64() : Number.POSITIVE_INFINITY
    if ((flags & 16) !== 0)
      this.#sessions.get(body.uint32())?.session.receivedIds.add(body.uint16())
    const publisher = readText(body)
    const topic = readText(body)
    const properties = body.slice(body.uint32())
    const payload = body.slice(body.uint32())
    const qos = (flags & 3) as Qos
    const retain = (flags & 4) !== 0
    const message = place(
      new Message({ id, topic, payload, properties, qos, retain, expiresAtMs, publisher }),
    )
    message.own()
    this.#messages.set(id, message)
    this.#lastMessage = Math.max(this.#lastMessage, id)
    if ((flags & 8) !== 0) this.#retained.set(topic, id)
    // One that was written again, because its segment was emptied, says anew what is left.
    for (let rest = body.count(body.uint32(), 8); rest > 0; rest--) {
      const recovered = this.#sessions.get(body.uint32())
      const entry = readEntry(body)
      recovered?.entries.set(id, entry)
    }
  }

  #entry(body: Reader): EntryFields | undefined {
    const recovered = this.#sessions.get(body.uint32())
    return recovered?.entries.get(body.int64())
  }

  #progress(body: Reader): void {
    const recovered = this.#sessions.get(body.uint32())
    const sentUpTo = body.int64()
    if (recovered) recovered.sentUpTo = Math.max(recovered.sentUpTo, sentUpTo)
    for (let rest = body.count(body.uint32(), 8); rest > 0; rest--)
      recovered?.entries.delete(body.int64())
  }
}

function count(object: JournalObject): void {
  if (object.segment) object.segment.liveBytes += object.recordBytes
}

function readText(body: Reader): string {
  return body.utf8(body.uint16())
}

function readEntry(body: Reader): EntryFields {
  const flags = body.uint8()
  const packetId = body.uint16()
  const subscriptionIds: number[] = []
  for (let rest = body.count(body.uvarint()); rest > 0; rest--) subscriptionIds.push(body.uvarint())
  return {
    qos: (flags & 3) as 1 | 2,
    retain: (flags & 4) !== 0,
    subscriptionIds,
    group: undefined,
    packetId,
    state: (flags & 8) !== 0 ? 'received' : packetId === 0 ? 'queued' : 'inFlight',
    isDuplicate: (flags & 16) !== 0,
  }
}
