import type { Writer } from '@khlong/core/bytes'
import type { Identity } from '../access/topic-access.ts'
import type { Holder, JournalObject, JournalPort, Origin } from '../state/journal-port.ts'
import type { Message, QueueEntry } from '../state/message.ts'
import type { Session } from '../state/session.ts'
import type { Subscription } from '../state/subscription-trie.ts'
import { RecordType } from './segment-format.ts'
import type { SegmentLog } from './segment-log.ts'

/** Writes what happens as records (docs/formats/mqtt-journal.md). */
export class Journal implements JournalPort {
  #log: SegmentLog | undefined
  readonly #isRetained: (message: Message) => boolean
  /** What was sent and completed since the last commit; it becomes one record per session. */
  readonly #progress = new Map<Session, { sentUpTo: number; completed: number[] }>()

  constructor(isRetained: (message: Message) => boolean) {
    this.#isRetained = isRetained
  }

  /** Records go to `log` from now on. */
  attach(log: SegmentLog): void {
    this.#log = log
  }

  get #open(): SegmentLog {
    if (!this.#log) throw new Error('the journal is not open')
    return this.#log
  }
  get appended(): number {
    return this.#log?.appended ?? 0
  }
  get durable(): number {
    return this.#log?.durable ?? 0
  }

  demand(position: number): void {
    this.#open.demand(position)
  }

  session(session: Session): void {
    const writer = this.#open.begin(RecordType.session)
    writer.uint32(session.number).uint32(session.expirySeconds)
    writer.int64(session.disconnectedAtMs)
    writeText(writer, session.clientId)
    writer.uint16(session.receivedIds.size)
    for (const packetId of session.receivedIds) writer.uint16(packetId)
    writeIdentity(writer, session.identity)
    this.#place(session)
  }

  sessionEnded(session: Session): void {
    this.#progress.delete(session)
    this.#open.begin(RecordType.sessionEnded).uint32(session.number)
    this.#open.end()
    this.forget(session)
  }

  subscribed(session: Session, subscription: Subscription): void {
    const writer = this.#open.begin(RecordType.subscribed).uint32(session.number)
    writer.uint8(
      subscription.qos | (subscription.noLocal ? 4 : 0) | (subscription.retainAsPublished ? 8 : 0),
    )
    writer.uint32(subscription.subscriptionId)
    writeText(writer, subscription.written)
    this.#place(subscription)
  }

  unsubscribed(session: Session, subscription: Subscription): void {
    const writer = this.#open.begin(RecordType.unsubscribed).uint32(session.number)
    writeText(writer, subscription.written)
    this.#open.end()
  }

  message(message: Message, holders: readonly Holder[], origin?: Origin): void {
    const writer = this.#open.begin(RecordType.message)
    const hasExpiry = message.expiresAtMs !== Number.POSITIVE_INFINITY
    const isRetained = message.retain && this.#isRetained(message)
    // Only of a retained message it is asked later who wrote it.
    const source = isRetained ? message.source : undefined
    writer.int64(message.id)
    writer.uint8(
      message.qos |
        (message.retain ? 4 : 0) |
        (isRetained ? 8 : 0) |
        (origin ? 16 : 0) |
        (hasExpiry ? 32 : 0) |
        (source ? 64 : 0),
    )
    if (hasExpiry) writer.int64(message.expiresAtMs)
    if (origin) writer.uint32(origin.session.number).uint16(origin.packetId)
    writeText(writer, message.publisher)
    if (source) writeIdentity(writer, source)
    writeText(writer, message.topic)
    writer.uint32(message.properties.length).raw(message.properties)
    writer.uint32(message.payload.length).raw(message.payload)
    writer.uint32(holders.length)
    for (const { session, entry } of holders) writeEntry(writer, session, entry)
    this.#place(message)
  }

  assigned(session: Session, entry: QueueEntry): void {
    const writer = this.#open.begin(RecordType.assigned).uint32(session.number)
    writer.int64(entry.message.id).uint16(entry.packetId)
    this.#open.end()
  }

  received(session: Session, entry: QueueEntry): void {
    const writer = this.#open.begin(RecordType.received).uint32(session.number)
    writer.int64(entry.message.id)
    this.#open.end()
  }

  sent(session: Session, message: Message): void {
    this.#progressOf(session).sentUpTo = message.id
  }

  completed(session: Session, message: Message): void {
    this.#progressOf(session).completed.push(message.id)
  }

  released(session: Session, packetId: number): void {
    this.#open.begin(RecordType.released).uint32(session.number).uint16(packetId)
    this.#open.end()
  }

  retainedCleared(topic: string): void {
    writeText(this.#open.begin(RecordType.retainedCleared), topic)
    this.#open.end()
  }

  forget(object: JournalObject): void {
    if (!object.segment) return
    object.segment.liveBytes -= object.recordBytes
    object.segment = undefined
  }

  /** Writes what was sent and completed since the last time. */
  writeProgress(): void {
    for (const [session, { sentUpTo, completed }] of this.#progress) {
      const writer = this.#open.begin(RecordType.progress).uint32(session.number)
      writer.int64(sentUpTo).uint32(completed.length)
      for (const id of completed) writer.int64(id)
      this.#open.end()
    }
    this.#progress.clear()
  }

  #progressOf(session: Session): { sentUpTo: number; completed: number[] } {
    let progress = this.#progress.get(session)
    if (!progress) {
      progress = { sentUpTo: 0, completed: [] }
      this.#progress.set(session, progress)
      this.#open.touch()
    }
    return progress
  }

  /** Ends the record that was begun, which is now the newest of `object`. */
  #place(object: JournalObject): void {
    this.forget(object)
    const { segment, recordBytes } = this.#open.end()
    object.segment = segment
    object.recordBytes = recordBytes
    segment.liveBytes += recordBytes
  }
}

function writeText(writer: Writer, text: string): void {
  const at = writer.reserve(2)
  const byteCount = writer.utf8(text)
  writer.bytes().writeUInt16BE(byteCount, at)
}

/** Whether there is one, and whether it has a name: 0, 1 or 2. */
function writeIdentity(writer: Writer, identity: Identity | undefined): void {
  const { username } = identity ?? {}
  writer.uint8(identity === undefined ? 0 : username === undefined ? 1 : 2)
  if (identity === undefined) return
  writeText(writer, identity.realm)
  if (username !== undefined) writeText(writer, username)
}

function writeEntry(writer: Writer, session: Session, entry: QueueEntry): void {
  // The identifier of a QoS 1 message means nothing after a restart, that of QoS 2 everything.
  const keepsId = entry.qos === 2 && entry.packetId !== 0
  writer.uint32(session.number)
  writer.uint8(
    entry.qos |
      (entry.retain ? 4 : 0) |
      (entry.state === 'received' ? 8 : 0) |
      (entry.isDuplicate ? 16 : 0),
  )
  writer.uint16(keepsId ? entry.packetId : 0)
  writer.uvarint(entry.subscriptionIds.length)
  for (const id of entry.subscriptionIds) writer.uvarint(id)
}
