import type { Reader } from '@khlong/core/bytes'
import type { Identity } from '../access/topic-access.ts'
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
  /** Undefined until its record comes: that may have been written again behind what refers to it. */
  session: Session | undefined
  readonly subscriptions: Map<string, Omit<Subscription, 'session'>>
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

  /**
   * Takes the next record.
   *
   * @throws ReadError `BYTES_MALFORMED`
   */
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
      case RecordType.unsubscribed: {
        const recovered = this.#recovered(body.uint32())
        const written = readText(body)
        recovered.subscriptions.delete(written)
        break
      }
      case RecordType.message:
        this.#message(body, place)
        break
      case RecordType.assigned: {
        const entry = this.#entry(body)
        const packetId = body.uint16()
        if (entry) {
          entry.packetId = packetId
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
      case RecordType.released: {
        const recovered = this.#recovered(body.uint32())
        const packetId = body.uint16()
        recovered.session?.receivedIds.delete(packetId)
        break
      }
      case RecordType.retainedCleared:
        this.#retained.delete(readText(body))
        break
      case RecordType.durable:
        body.skip(8)
        break
      default:
        body.fail(`record type ${type}`)
    }
    body.finish()
  }

  /** Fills an empty state with what was recovered. */
  finish(state: BrokerState, nowMs: number): void {
    for (const { session, subscriptions, entries, sentUpTo } of this.#sessions.values()) {
      if (!session) continue
      // The broker was killed under it. What was sent is noted a moment later only, so each of its
      // messages may have left [MQTT-3.3.1-1].
      const wasConnected = session.disconnectedAtMs === 0
      if (wasConnected) session.disconnectedAtMs = nowMs
      state.sessions.set(session.clientId, session)
      for (const fields of subscriptions.values()) {
        const subscription: Subscription = { ...fields, session }
        count(subscription)
        session.subscriptions.set(subscription.written, subscription)
        state.subscriptions.add(subscription)
      }
      for (const [id, fields] of [...entries].sort(([a], [b]) => a - b)) {
        const message = this.#messages.get(id)
        if (!message) continue
        const isDuplicate = wasConnected || fields.isDuplicate || id <= sentUpTo
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
    // Version 1 ends here.
    if (body.remaining > 0) session.identity = readIdentity(body)
    this.#recovered(number).session = session
  }

  #recovered(number: number): RecoveredSession {
    this.#lastSession = Math.max(this.#lastSession, number)
    let recovered = this.#sessions.get(number)
    if (!recovered) {
      recovered = { session: undefined, subscriptions: new Map(), entries: new Map(), sentUpTo: 0 }
      this.#sessions.set(number, recovered)
    }
    return recovered
  }

  #subscribed(body: Reader, place: <P extends JournalObject>(object: P) => P): void {
    const recovered = this.#recovered(body.uint32())
    const flags = body.uint8()
    const subscriptionId = body.uint32()
    const written = readText(body)
    const parsed = parseFilter(written)
    if (!parsed) return
    const subscription = place({
      written,
      ...parsed,
      qos: (flags & 3) as Qos,
      noLocal: (flags & 4) !== 0,
      retainAsPublished: (flags & 8) !== 0,
      subscriptionId,
      segment: undefined,
      recordBytes: 0,
    } as Omit<Subscription, 'session'>)
    recovered.subscriptions.set(written, subscription)
  }

  #message(body: Reader, place: <P extends JournalObject>(object: P) => P): void {
    const id = body.int64()
    const flags = body.uint8()
    const expiresAtMs = (flags & 32) !== 0 ? body.int64() : Number.POSITIVE_INFINITY
    if ((flags & 16) !== 0) {
      const recovered = this.#recovered(body.uint32())
      const packetId = body.uint16()
      recovered.session?.receivedIds.add(packetId)
    }
    const publisher = readText(body)
    const source = (flags & 64) !== 0 ? readIdentity(body) : undefined
    const topic = readText(body)
    const properties = body.slice(body.uint32())
    const payload = body.slice(body.uint32())
    const qos = (flags & 3) as Qos
    const retain = (flags & 4) !== 0
    const message = place(
      new Message({ id, topic, payload, properties, qos, retain, expiresAtMs, publisher, source }),
    )
    message.own()
    this.#messages.set(id, message)
    this.#lastMessage = Math.max(this.#lastMessage, id)
    if ((flags & 8) !== 0) this.#retained.set(topic, id)
    // One that was written again, because its segment was emptied, says anew what is left.
    for (let rest = body.count(body.uint32(), 8); rest > 0; rest--) {
      const recovered = this.#recovered(body.uint32())
      const entry = readEntry(body)
      recovered.entries.set(id, entry)
    }
  }

  #entry(body: Reader): EntryFields | undefined {
    const recovered = this.#recovered(body.uint32())
    const id = body.int64()
    this.#lastMessage = Math.max(this.#lastMessage, id)
    return recovered.entries.get(id)
  }

  #progress(body: Reader): void {
    const recovered = this.#recovered(body.uint32())
    const sentUpTo = body.int64()
    recovered.sentUpTo = Math.max(recovered.sentUpTo, sentUpTo)
    for (let rest = body.count(body.uint32(), 8); rest > 0; rest--) {
      const id = body.int64()
      this.#lastMessage = Math.max(this.#lastMessage, id)
      recovered.entries.delete(id)
    }
  }
}

function count(object: JournalObject): void {
  if (object.segment) object.segment.liveBytes += object.recordBytes
}

function readText(body: Reader): string {
  return body.utf8(body.uint16())
}

function readIdentity(body: Reader): Identity | undefined {
  const kind = body.uint8()
  if (kind > 2) body.fail(`identity ${kind}`)
  if (kind === 0) return undefined
  const realm = readText(body)
  return { realm, username: kind === 2 ? readText(body) : undefined }
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
