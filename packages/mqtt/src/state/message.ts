import type { Identity } from '../access/topic-access.ts'
import type { Qos } from '../protocol/publish.ts'
import type { JournalObject } from './journal-port.ts'
import type { ShareGroup } from './subscription-trie.ts'

/** An application message, kept once however many sessions wait for it. */
export class Message implements JournalObject {
  /** Order of arrival, never used twice: queues are in the order of these ids. */
  readonly id: number
  readonly topic: string
  payload: Buffer
  /** Properties that go on to subscribers, as they stood on the wire. */
  properties: Buffer
  readonly qos: Qos
  readonly retain: boolean
  /** Milliseconds since the epoch; Infinity without expiry. */
  readonly expiresAtMs: number
  /** Client id of the publisher, for subscriptions without own messages. */
  readonly publisher: string
  /** Who the publisher was; undefined for what the broker itself says. */
  readonly source: Identity | undefined
  #isOwned = false
  /** Queues that hold it, and one more while it is retained. */
  holders = 0

  segment: JournalObject['segment']
  recordBytes = 0

  constructor(fields: MessageFields) {
    this.id = fields.id
    this.topic = fields.topic
    this.payload = fields.payload
    this.properties = fields.properties
    this.qos = fields.qos
    this.retain = fields.retain
    this.expiresAtMs = fields.expiresAtMs
    this.publisher = fields.publisher
    this.source = fields.source
  }

  /** What it counts for in a queue, in bytes. */
  get bytes(): number {
    return this.payload.length + this.properties.length + this.topic.length + entryOverheadBytes
  }

  /** Copies what is borrowed from a packet; called before the message outlives the tick. */
  own(): void {
    if (this.#isOwned) return
    this.#isOwned = true
    this.payload = Buffer.from(this.payload)
    if (this.properties.length > 0) this.properties = Buffer.from(this.properties)
  }
}

/** About what a message and its place in a queue cost beside their bytes. */
const entryOverheadBytes = 400

/** What a message is made of; buffers may be borrowed. */
export interface MessageFields {
  id: number
  topic: string
  payload: Buffer
  properties: Buffer
  qos: Qos
  retain: boolean
  expiresAtMs: number
  publisher: string
  source?: Identity | undefined
}

/** A message on its way to one session. */
export interface QueueEntry {
  readonly message: Message
  readonly qos: 1 | 2
  /** The RETAIN flag to send. */
  readonly retain: boolean
  readonly subscriptionIds: readonly number[]
  /** The share that it was chosen from; unknown after a restart. */
  readonly group: ShareGroup | undefined
  /** 0 until it is in flight. */
  packetId: number
  state: EntryState
  /** Whether it may have been sent before. */
  isDuplicate: boolean
  /** Position in the journal that must be durable before it is sent; 0 where none. */
  sendAfter: number
}

/** `received`: the client has confirmed a QoS 2 message by PUBREC, PUBCOMP is due. */
export type EntryState = 'queued' | 'inFlight' | 'received'
