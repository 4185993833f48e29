import type { RetainedSources } from '../access/retained-sources.ts'
import type { Identity, TopicAccess } from '../access/topic-access.ts'
import type { Qos } from '../protocol/publish.ts'
import type { ParsedFilter } from '../protocol/topic.ts'
import { BrokerCounters } from './counters.ts'
import { Delivery, type QueueLimits } from './delivery.ts'
import type { Holder, JournalPort } from './journal-port.ts'
import { Message, type QueueEntry } from './message.ts'
import { RetainedStore } from './retained-store.ts'
import { type ClientPort, Session, type Will } from './session.ts'
import {
  type ShareGroup,
  type Subscription,
  type SubscriptionOptions,
  SubscriptionTrie,
  withoutOwn,
} from './subscription-trie.ts'
import { TopicCounts } from './topic-counts.ts'

/** A message on its way into the broker. Its buffers are borrowed. */
export interface Publication {
  readonly topic: string
  readonly payload: Buffer
  readonly properties: Buffer
  readonly qos: Qos
  readonly retain: boolean
  /** Seconds, or -1 without one. */
  readonly messageExpiry: number
  /** 0 for QoS 0 and for what the broker itself publishes. */
  readonly packetId: number
}

/** Limits of queues, and what happens at them. */
export interface StateLimits extends QueueLimits {
  /** At the limit of a persistent session's queue: the publisher waits, or the message is dropped. */
  readonly when_queue_full: 'wait' | 'drop'
}

/** What CONNECT says about the session. */
export interface AttachOptions {
  readonly isClean: boolean
  readonly expirySeconds: number
  readonly sendQuota: number
  readonly identity?: Identity | undefined
  /** What the client may do; undefined where everything. */
  readonly access?: TopicAccess | undefined
}

/**
 * What the broker knows: sessions, subscriptions, retained messages, queues. No sockets, no timers;
 * `nowMs` comes in with each call.
 */
export class BrokerState {
  readonly #limits: StateLimits
  readonly #journal: JournalPort
  readonly counters: BrokerCounters = new BrokerCounters()
  readonly delivery: Delivery
  readonly sessions: Map<string, Session> = new Map()
  readonly subscriptions: SubscriptionTrie = new SubscriptionTrie()
  readonly retained: RetainedStore = new RetainedStore()
  readonly topics: TopicCounts = new TopicCounts()
  connectedCount = 0
  #lastSessionNumber = 0
  #lastMessageId = 0
  /** After `publish` gave -1: the session whose queue is full. */
  blockedOn: Session | undefined
  /** What publishers of retained messages may do now; undefined where nobody asks. */
  retainedSources: RetainedSources | undefined
  /** After `publish`: how many sessions the message went to. */
  matched = 0

  constructor(limits: StateLimits, journal: JournalPort) {
    this.#limits = limits
    this.#journal = journal
    this.delivery = new Delivery(limits, journal, this.counters)
  }

  /** Makes sure that numbers go on above those that were used before a restart. */
  reserveNumbers(lastSession: number, lastMessage: number): void {
    this.#lastSessionNumber = Math.max(this.#lastSessionNumber, lastSession)
    this.#lastMessageId = Math.max(this.#lastMessageId, lastMessage)
  }

  /** Connects a client with its session, which is made where there is none (MQTT 5 section 3.1.2.4). */
  attach(
    clientId: string,
    options: AttachOptions,
    nowMs: number,
  ): { session: Session; isPresent: boolean } {
    let session = this.sessions.get(clientId)
    if (session && options.isClean) {
      this.endSession(session, nowMs)
      session = undefined
    }
    const isPresent = session !== undefined
    const wasDurable = session?.isDurable ?? false
    session ??= new Session(++this.#lastSessionNumber, clientId, options.expirySeconds)
    session.expirySeconds = options.expirySeconds
    session.isDurable = options.expirySeconds > 0
    session.sendQuota = Math.min(options.sendQuota, 65_000)
    session.identity = options.identity
    this.allow(session, options.access)
    session.pendingWill = undefined
    session.disconnectedAtMs = 0
    this.sessions.set(clientId, session)
    if (session.isDurable) this.#journal.session(session)
    else if (wasDurable) this.#journal.sessionEnded(session)
    return { session, isPresent }
  }

  /** Says what the session's client may do from now on, and drops what it may no longer read. */
  allow(session: Session, access: TopicAccess | undefined): void {
    const { access: former } = session
    session.access = access
    if (former === access) return
    if (session.subscriptions.size > 0) this.subscriptions.forgetMatches()
    if (access) this.delivery.dropUnreadable(session, access)
  }

  /** Joins the session to its connection and sends what waits. Comes after CONNACK was written. */
  connect(session: Session, client: ClientPort, nowMs: number): void {
    session.client = client
    this.connectedCount++
    this.counters.clientsMax = Math.max(this.counters.clientsMax, this.sessions.size)
    this.delivery.resume(session, nowMs)
  }

  /** The connection is gone. `will` is published, now or after its delay (MQTT 5 section 3.1.3.2.2). */
  detach(session: Session, will: Will | undefined, nowMs: number): void {
    if (!session.client) return
    session.client = undefined
    this.connectedCount--
    session.disconnectedAtMs = nowMs
    this.delivery.suspend(session)
    if (session.expirySeconds === 0) {
      this.endSession(session, nowMs)
      if (will) this.#publishWill(will, session, nowMs)
      return
    }
    if (session.isDurable) this.#journal.session(session)
    if (will && will.delaySeconds > 0)
      session.pendingWill = { will, dueMs: nowMs + will.delaySeconds * 1_000 }
    else if (will) this.#publishWill(will, session, nowMs)
  }

  endSession(session: Session, nowMs: number): void {
    for (const subscription of session.subscriptions.values()) {
      this.subscriptions.remove(subscription)
      this.#journal.forget(subscription)
    }
    session.subscriptions.clear()
    this.sessions.delete(session.clientId)
    const shared = [...session.inFlight.values(), ...session.queue].filter(isForOthers)
    for (const { message } of shared) message.holders++
    this.delivery.abandon(session)
    if (session.isDurable) this.#journal.sessionEnded(session)
    const { pendingWill } = session
    session.pendingWill = undefined
    if (pendingWill) this.#publishWill(pendingWill.will, session, nowMs)
    for (const { message, group } of shared) {
      const member = this.#choose(group!, true, message.topic)
      if (member) this.#giveAgain(member, message, group)
      this.delivery.release(message)
      if (member) this.delivery.pump(member.session, nowMs)
    }
  }

  /** Ends sessions and sends wills whose time has come. */
  tick(nowMs: number): void {
    for (const session of this.sessions.values()) {
      if (session.client) continue
      if (session.isExpired(nowMs)) {
        this.counters.clientsExpired++
        this.endSession(session, nowMs)
      } else if (session.pendingWill && session.pendingWill.dueMs <= nowMs) {
        const { will } = session.pendingWill
        session.pendingWill = undefined
        this.#publishWill(will, session, nowMs)
      }
    }
  }

  /** Adds a subscription, or changes the one with the same filter. */
  subscribe(
    session: Session,
    written: string,
    parsed: ParsedFilter,
    options: SubscriptionOptions,
  ): { subscription: Subscription; isNew: boolean } {
    const subscription: Subscription = {
      session,
      written,
      ...parsed,
      ...options,
      segment: undefined,
      recordBytes: 0,
    }
    const former = this.subscriptions.add(subscription)
    session.subscriptions.set(written, subscription)
    if (session.isDurable) this.#journal.subscribed(session, subscription)
    if (former) this.#journal.forget(former)
    return { subscription, isNew: former === undefined }
  }

  /** False where there was no such subscription. */
  unsubscribe(session: Session, written: string): boolean {
    const subscription = session.subscriptions.get(written)
    if (!subscription) return false
    session.subscriptions.delete(written)
    this.subscriptions.remove(subscription)
    if (session.isDurable) this.#journal.unsubscribed(session, subscription)
    this.#journal.forget(subscription)
    return true
  }

  /** Sends the retained messages that a new subscription matches. */
  sendRetained(subscription: Subscription, nowMs: number): void {
    const { session } = subscription
    const ids = idsOf(subscription)
    for (const message of [...this.retained.match(subscription.filter)]) {
      if (message.expiresAtMs <= nowMs) {
        this.#clearRetained(message.topic)
        continue
      }
      if (subscription.noLocal && message.publisher === session.clientId) continue
      if (session.access?.mayRead(message.topic) === false) continue
      const { topic, source, publisher } = message
      if (this.retainedSources?.mayWrite(topic, source, publisher) === false) continue
      const qos = Math.min(message.qos, subscription.qos) as Qos
      if (qos === 0) this.delivery.sendAtMostOnce(session, message, true, ids, true)
      else {
        // A fresh id, because queues are in the order of ids.
        const copy = new Message({ ...fieldsOf(message), id: ++this.#lastMessageId })
        const entry = this.delivery.enqueue(session, copy, qos, true, ids)
        if (session.isDurable) this.#journal.message(copy, [{ session, entry }])
      }
    }
    this.delivery.pump(session, nowMs)
  }

  /**
   * Takes a message from a client. Gives the position in the journal after which it may be
   * acknowledged, 0 where at once, or -1 where the queue of a persistent session is full: nothing
   * has happened then, and `blockedOn` says which.
   */
  publish(publication: Publication, from: Session, nowMs: number): number {
    const { qos, topic } = publication
    if (qos > 0 && this.#limits.when_queue_full === 'wait') {
      this.blockedOn = this.#fullSession(topic, from)
      if (this.blockedOn) return -1
    }
    const before = this.#journal.appended
    this.#route(publication, from.clientId, from.identity, from, nowMs)
    return this.#journal.appended > before ? this.#journal.appended : 0
  }

  /** Publishes what the broker itself has to say: wills and system topics. */
  publishOwn(publication: Omit<Publication, 'packetId'>, publisher: string, nowMs: number): void {
    this.#route({ ...publication, packetId: 0 }, publisher, undefined, undefined, nowMs)
  }

  /** A will needs the right to write as any other message; it may have been taken meanwhile. */
  #publishWill(will: Will, session: Session, nowMs: number): void {
    if (session.access !== undefined && !session.access.mayWrite(will.topic)) {
      this.counters.publishDenied++
      return
    }
    const publication = { ...will, packetId: 0 }
    this.#route(publication, session.clientId, session.identity, undefined, nowMs)
  }

  /** Puts a recovered message back in its place. */
  restoreRetained(message: Message): void {
    message.holders++
    const former = this.retained.set(message)
    if (former) this.delivery.release(former)
  }

  /** The first persistent session that a message on `topic` must wait for. */
  #fullSession(topic: string, from: Session): Session | undefined {
    const { targets, groups } = this.subscriptions.match(topic)
    for (const target of targets) {
      const { session, qos } = target
      if (qos === 0 || !session.isDurable || !this.delivery.isFull(session)) continue
      if (session === from && target.hasNoLocal && !withoutOwn(target)) continue
      return session
    }
    for (const group of groups) {
      const member = this.#choose(group, false, topic)
      if (member && member.qos > 0 && this.#mustWait(member)) return member.session
    }
    return undefined
  }

  #mustWait({ session }: Subscription): boolean {
    return session.isDurable && this.delivery.isFull(session)
  }

  /** The member whose turn it is: one that takes more now, else one that waits. */
  #choose(group: ShareGroup, isFinal: boolean, topic: string): Subscription | undefined {
    group.row ??= [...group.members.values()]
    const { row } = group
    let best: Subscription | undefined
    let bestRank = 0
    let bestIndex = 0
    for (let step = 0; step < row.length; step++) {
      const index = (group.turn + step) % row.length
      const member = row[index]!
      const { session } = member
      if (session.access !== undefined && !session.access.mayRead(topic)) continue
      const isFull = this.delivery.isFull(session)
      const rank = (isFull ? 0 : 4) + (session.client ? 2 : 0) + (session.isDurable ? 1 : 0)
      if (best && rank <= bestRank) continue
      // A durable member's persistence is worth no detour while a connected one keeps up.
      best = member
      bestRank = session.client && !isFull ? 8 : rank
      bestIndex = index
    }
    if (isFinal) group.turn = bestIndex + 1
    return best
  }

  #route(
    publication: Publication,
    publisher: string,
    source: Identity | undefined,
    from: Session | undefined,
    nowMs: number,
  ): void {
    const { topic, qos, retain, messageExpiry } = publication
    const message = new Message({
      id: ++this.#lastMessageId,
      topic,
      payload: publication.payload,
      properties: publication.properties,
      qos,
      retain,
      expiresAtMs: messageExpiry < 0 ? Number.POSITIVE_INFINITY : nowMs + messageExpiry * 1_000,
      publisher,
      source,
    })
    const isSystem = topic.startsWith('$SYS/')
    if (retain && message.payload.length === 0) this.#clearRetained(topic)
    else if (retain) this.#retain(message)
    const { targets, groups } = this.subscriptions.match(topic)
    this.matched = targets.length + groups.length
    if (!isSystem) this.topics.add(topic, this.matched)
    const holders: Holder[] = []
    const queued: Session[] = []
    const give = (
      session: Session,
      granted: Qos,
      retainAsPublished: boolean,
      ids: readonly number[],
      group: ShareGroup | undefined,
    ): void => {
      const keptRetain = retainAsPublished && retain
      const grantedQos = Math.min(qos, granted) as Qos
      if (grantedQos === 0) {
        this.delivery.sendAtMostOnce(session, message, keptRetain, ids, false)
        return
      }
      // Publishers wait for full queues of persistent sessions, where they do not drop by choice.
      const mayDrop = !session.isDurable || this.#limits.when_queue_full === 'drop'
      if (mayDrop && this.delivery.isFull(session)) {
        this.counters.publishDropped++
        return
      }
      const entry = this.delivery.enqueue(session, message, grantedQos, keptRetain, ids, group)
      queued.push(session)
      if (session.isDurable) holders.push({ session, entry })
    }
    for (let target of targets) {
      if (target.hasNoLocal && target.session.clientId === publisher) {
        const rest = withoutOwn(target)
        if (!rest) continue
        target = rest
      }
      const { session, retainAsPublished, subscriptionIds } = target
      give(session, target.qos, retainAsPublished, subscriptionIds, undefined)
    }
    for (const group of groups) {
      const member = this.#choose(group, true, topic)
      if (!member) continue
      const { session, qos: granted, retainAsPublished } = member
      // It may have the message by a subscription of its own too; queues hold an id only once.
      if (queued.includes(session)) this.#giveAgain(member, message, group)
      else give(session, granted, retainAsPublished, idsOf(member), group)
    }
    const isRetained = message.holders > 0 && retain && message.payload.length > 0
    if (!isSystem && (holders.length > 0 || isRetained)) {
      const origin =
        qos === 2 && from?.isDurable ? { session: from, packetId: publication.packetId } : undefined
      this.#journal.message(message, holders, origin)
    }
    for (const session of queued) this.delivery.pump(session, nowMs)
  }

  /** Gives a message to a member of a share under a fresh id. */
  #giveAgain(member: Subscription, message: Message, group: ShareGroup | undefined): void {
    const { session } = member
    const qos = Math.min(message.qos, member.qos) as Qos
    const retain = message.retain && member.retainAsPublished
    if (qos === 0) {
      this.delivery.sendAtMostOnce(session, message, retain, idsOf(member), false)
      return
    }
    message.own()
    const copy = new Message({ ...fieldsOf(message), id: ++this.#lastMessageId })
    const entry = this.delivery.enqueue(session, copy, qos, retain, idsOf(member), group)
    if (session.isDurable) this.#journal.message(copy, [{ session, entry }])
  }

  #retain(message: Message): void {
    message.own()
    message.holders++
    const former = this.retained.set(message)
    if (former) this.delivery.release(former)
  }

  #clearRetained(topic: string): void {
    const former = this.retained.delete(topic)
    if (!former) return
    if (!topic.startsWith('$SYS/')) this.#journal.retainedCleared(topic)
    this.delivery.release(former)
  }
}

const noIds: readonly number[] = []

function idsOf({ subscriptionId }: Subscription): readonly number[] {
  return subscriptionId > 0 ? [subscriptionId] : noIds
}

/**
 * Whether another member of its share should get a message whose session has ended (MQTT 5 section
 * 4.8.2); not where the client may already count a QoS 2 message as its own.
 */
function isForOthers({ group, qos, packetId }: QueueEntry): boolean {
  return group !== undefined && group.members.size > 0 && (qos === 1 || packetId === 0)
}

function fieldsOf(message: Message): ConstructorParameters<typeof Message>[0] {
  const { id, topic, payload, properties, qos, retain, expiresAtMs, publisher, source } = message
  return { id, topic, payload, properties, qos, retain, expiresAtMs, publisher, source }
}
