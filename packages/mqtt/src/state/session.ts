import type { Identity, TopicAccess } from '../access/topic-access.ts'
import type { ProtocolVersion, Qos } from '../protocol/publish.ts'
import { Fifo } from './fifo.ts'
import type { JournalObject } from './journal-port.ts'
import type { Message, QueueEntry } from './message.ts'
import type { Subscription } from './subscription-trie.ts'

/** The connection of a session, as the state sees it. Calls only append to its output. */
export interface ClientPort {
  readonly version: ProtocolVersion
  /** Whether its output is beyond the mark at which nothing more should be added. */
  readonly isCongested: boolean
  /** Sends a message; false where it is larger than the client takes. */
  publish(delivery: Delivered): boolean
  release(packetId: number): void
  /** Ends the connection with a reason of MQTT 5; the session is detached when this returns. */
  close(reason: number): void
  describe(): ClientDescription
}

/** A message as it leaves for one client. */
export interface Delivered {
  readonly message: Message
  readonly qos: Qos
  readonly packetId: number
  readonly isDuplicate: boolean
  readonly retain: boolean
  readonly subscriptionIds: readonly number[]
}

/** What the broker tells about a connected client. */
export interface ClientDescription {
  readonly clientId: string
  readonly address: string
  readonly listener: string
  readonly protocol: '3.1' | '3.1.1' | '5'
  readonly username?: string
  readonly keepAlive: number
  readonly connectedAt: number
  readonly messagesIn: number
  readonly messagesOut: number
  /** Whether it is not read because a queue that it fills is full. */
  readonly isBlocked: boolean
}

/** Session expiry that never comes. */
export const neverExpires = 0xffff_ffff

/** A message that the broker publishes when a client is gone. */
export interface Will {
  readonly topic: string
  readonly payload: Buffer
  readonly properties: Buffer
  readonly qos: Qos
  readonly retain: boolean
  /** Seconds, or -1 without one. */
  readonly messageExpiry: number
  readonly delaySeconds: number
}

/**
 * What the broker remembers of a client (MQTT 5 section 4.1).
 *
 * Invariants: an entry is in `queue` or in `inFlight`, never in both; `unsent` holds entries of
 * `inFlight` that wait for the journal; `queuedBytes` is the sum over both.
 */
export class Session implements JournalObject {
  /** Never used twice, also after a restart. */
  readonly number: number
  readonly clientId: string
  /** Whether it outlives its connection, and therefore stands in the journal. */
  isDurable: boolean
  expirySeconds: number
  client: ClientPort | undefined
  /** Who its client was last; undefined where that is not known, after a journal of version 1. */
  identity: Identity | undefined
  /** What its client may do; undefined where everything. */
  access: TopicAccess | undefined
  /** Messages that may be in flight to the client. */
  sendQuota = 0
  /** 0 while it is connected. */
  disconnectedAtMs = 0
  pendingWill: { will: Will; dueMs: number } | undefined

  readonly subscriptions: Map<string, Subscription> = new Map()
  readonly queue: Fifo<QueueEntry> = new Fifo()
  readonly inFlight: Map<number, QueueEntry> = new Map()
  readonly unsent: Fifo<QueueEntry> = new Fifo()
  queuedBytes = 0
  /** QoS 2 packet identifiers that the client has published and not released. */
  readonly receivedIds: Set<number> = new Set()
  /** Called once when there is room in the queue again, or the session has ended. */
  readonly waiters: Set<() => void> = new Set()

  segment: JournalObject['segment']
  recordBytes = 0
  #lastPacketId = 0

  constructor(number: number, clientId: string, expirySeconds: number) {
    this.number = number
    this.clientId = clientId
    this.expirySeconds = expirySeconds
    this.isDurable = expirySeconds > 0
  }

  get queuedCount(): number {
    return this.queue.length + this.inFlight.size
  }

  /** A packet identifier that is not in flight. */
  nextPacketId(): number {
    do {
      this.#lastPacketId = this.#lastPacketId >= 65_535 ? 1 : this.#lastPacketId + 1
    } while (this.inFlight.has(this.#lastPacketId))
    return this.#lastPacketId
  }

  /** Whether its time is over, where no client is there. */
  isExpired(nowMs: number): boolean {
    return (
      this.client === undefined &&
      this.expirySeconds !== neverExpires &&
      nowMs >= this.disconnectedAtMs + this.expirySeconds * 1_000
    )
  }
}
