import { ProtocolError } from '../errors.ts'
import { Acknowledgement } from '../protocol/acknowledgement.ts'
import type { ProtocolVersion, PublishPacket } from '../protocol/publish.ts'
import { Reason } from '../protocol/reason.ts'
import { TopicAliases } from '../protocol/topic-aliases.ts'
import { Fifo } from '../state/fifo.ts'
import type { Session } from '../state/session.ts'
import type { ConnectionHost } from './connection-host.ts'

/** Publishes that wait for a full queue, before the client is not read any more. */
const heldBytesMax = 262_144
const heldOverheadBytes = 200

/** What a publisher does to its connection. */
export interface PublisherPort {
  /** Answers in turn, after the journal has reached `position`. */
  answer(header: number, packetId: number, reason: number, position: number, isFinal: boolean): void
  /** Stops and goes on reading the client. */
  setBlocked(isBlocked: boolean): void
  refuse(error: ProtocolError): void
}

/**
 * The messages that come from one client.
 *
 * A message for a full queue waits, and those behind it wait too [MQTT-4.6.0-6]. What else the
 * client sends is still read up to a limit: its acknowledgements may be the very thing that makes
 * room, a client that leaves must be noticed, and its pings want answers.
 */
export class Publisher {
  readonly #host: ConnectionHost
  readonly #port: PublisherPort
  readonly #session: Session
  readonly #version: ProtocolVersion
  readonly #aliases: TopicAliases
  readonly #held = new Fifo<PublishPacket>()
  #heldBytes = 0
  /** How many of them have QoS 0: they wait for the intake only. */
  #heldAtMostOnce = 0
  /** Takes back that somebody is waited for. */
  #stopWaiting: (() => void) | undefined
  /** QoS 1 and 2 messages that are not answered in full. */
  #unanswered = 0
  #isClosed = false
  messageCount = 0

  constructor(
    host: ConnectionHost,
    port: PublisherPort,
    session: Session,
    version: ProtocolVersion,
  ) {
    this.#host = host
    this.#port = port
    this.#session = session
    this.#version = version
    this.#aliases = new TopicAliases(host.listener.max_topic_alias)
  }

  /** Whether a message waits for a full queue, or for the intake. */
  get isWaiting(): boolean {
    return this.#held.length > 0
  }

  /** @throws ProtocolError */
  published(packet: PublishPacket): void {
    const { state, options, listener } = this.#host
    const { qos, retain } = packet
    state.counters.publishReceived++
    state.counters.publishBytesReceived += packet.payload.length
    this.messageCount++
    if (qos > listener.max_qos) throw new ProtocolError(Reason.qosNotSupported, `QoS ${qos}`)
    if (retain && !options.retain_available)
      throw new ProtocolError(Reason.retainNotSupported, 'a retained message')
    const topic = this.#aliases.topicOf(packet)
    const named = topic === packet.topic ? packet : { ...packet, topic }
    // A message passes those that wait only where none of its own level does [MQTT-4.6.0-6].
    const isBehind = qos > 0 ? this.#held.length > 0 : this.#heldAtMostOnce > 0
    if (isBehind || !this.#route(named)) this.#hold(named)
  }

  /** PUBREL: the client will not send the message again. */
  released(packetId: number): void {
    const { isDurable, receivedIds } = this.#session
    const wasKnown = receivedIds.delete(packetId)
    if (wasKnown) this.answered()
    if (wasKnown && isDurable) this.#host.journal.released(this.#session, packetId)
    const position = wasKnown && isDurable ? this.#host.journal.appended : 0
    const reason = wasKnown ? Reason.success : Reason.packetIdentifierNotFound
    this.#port.answer(Acknowledgement.pubcomp, packetId, reason, position, false)
  }

  /** The exchange for one message is over. */
  answered(): void {
    this.#unanswered = Math.max(0, this.#unanswered - 1)
  }

  close(): void {
    this.#isClosed = true
    this.#held.clear()
    this.#stopWaiting?.()
  }

  /** Gives a message to the state; false where it has to wait for a full queue, or for the intake. */
  #route(packet: PublishPacket): boolean {
    const { state, journal, clock, intake, listener } = this.#host
    // What the pipeline itself publishes makes no room by waiting.
    if (intake.reason !== undefined && !listener.isInternal) {
      if (!this.#stopWaiting) this.#waitForIntake()
      return false
    }
    const { qos, packetId } = packet
    if (qos === 2 && this.#session.receivedIds.has(packetId)) {
      // Sent again before PUBREC reached the client: it is in already [MQTT-4.3.3-10].
      const { appended } = journal
      this.#port.answer(Acknowledgement.pubrec, packetId, Reason.success, appended, false)
      return true
    }
    if (packet.topic.startsWith('$SYS/')) {
      this.#acknowledge(packet, Reason.notAuthorized, 0)
      return true
    }
    const { access } = this.#session
    if (access !== undefined && !access.mayWrite(packet.topic)) {
      // MQTT 3 has no way to say no, so the message is acknowledged and goes nowhere.
      state.counters.publishDenied++
      this.#acknowledge(packet, Reason.notAuthorized, 0)
      return true
    }
    const position = state.publish(packet, this.#session, clock.nowMs())
    if (position < 0) {
      this.#waitForRoom(state.blockedOn!)
      return false
    }
    const reason = state.matched > 0 ? Reason.success : Reason.noMatchingSubscribers
    this.#acknowledge(packet, reason, position)
    return true
  }

  #acknowledge({ qos, packetId }: PublishPacket, reason: number, position: number): void {
    if (qos === 0) return
    this.#unanswered++
    const granted = this.#host.options.max_inflight_messages || 65_535
    if (this.#version === 5 && this.#unanswered > granted)
      throw new ProtocolError(Reason.receiveMaximumExceeded, 'more in flight than was granted')
    if (qos === 2 && reason < 0x80) this.#session.receivedIds.add(packetId)
    const header = qos === 1 ? Acknowledgement.puback : Acknowledgement.pubrec
    this.#port.answer(header, packetId, reason, position, qos === 1 || reason >= 0x80)
  }

  #hold(packet: PublishPacket): void {
    this.#held.push({ ...packet, payload: Buffer.from(packet.payload) })
    this.#heldBytes += packet.payload.length + heldOverheadBytes
    if (packet.qos === 0) this.#heldAtMostOnce++
    if (this.#heldBytes > heldBytesMax) this.#port.setBlocked(true)
  }

  #waitForRoom({ waiters }: Session): void {
    const wake = this.#waker()
    waiters.add(wake)
    this.#stopWaiting = () => waiters.delete(wake)
  }

  #waitForIntake(): void {
    const { intake } = this.#host
    const wake = this.#waker()
    intake.wait(wake)
    this.#stopWaiting = () => intake.forget(wake)
  }

  #waker(): () => void {
    this.#host.state.counters.publisherWaits++
    return () => {
      this.#stopWaiting = undefined
      // Not from within the acknowledgement that made room.
      setImmediate(() => this.#unhold())
    }
  }

  #unhold(): void {
    try {
      while (!this.#isClosed) {
        const packet = this.#held.peek()
        if (!packet || !this.#route(packet)) break
        this.#held.shift()
        this.#heldBytes -= packet.payload.length + heldOverheadBytes
        if (packet.qos === 0) this.#heldAtMostOnce--
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.#port.refuse(error)
    }
    if (this.#heldBytes * 2 < heldBytesMax) this.#port.setBlocked(false)
  }
}
