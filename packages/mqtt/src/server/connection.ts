import { Writer } from '@khlong/core/bytes'
import type { Packet } from 'mqtt-packet'
import type { Peer, Verdict } from '../access/login.ts'
import { ProtocolError } from '../errors.ts'
import type { Admission } from '../handlers/connect.ts'
import { subscribe, unsubscribe } from '../handlers/subscribe.ts'
import {
  Acknowledgement,
  decodePacketId,
  decodeReason,
  encodeAcknowledgement,
} from '../protocol/acknowledgement.ts'
import { decodeControlPacket, encodeControlPacket } from '../protocol/control-packets.ts'
import { PacketFramer } from '../protocol/framing.ts'
import {
  decodePublish,
  encodePublish,
  type OutgoingPublish,
  type ProtocolVersion,
  publishBytes,
} from '../protocol/publish.ts'
import { connectReturnCode, Reason } from '../protocol/reason.ts'
import type { ClientDescription, ClientPort, Delivered, Session, Will } from '../state/session.ts'
import { type Answer, Answers } from './answers.ts'
import type { ConnectionHost } from './connection-host.ts'
import { type Entrance, enter } from './entrance.ts'
import { graceMs, Liveness } from './liveness.ts'
import { Publisher, type PublisherPort } from './publisher.ts'
import { connectBytesMax, Stranger } from './strangers.ts'
import type { Transport } from './transport.ts'

/** Output beyond this is not added to: queued messages wait, QoS 0 is dropped. */
const outputBytesMax = 524_288
/** A client with more output than this is not read until it has taken what it asked for. */
const unreadBytesMax = 4 * outputBytesMax
/** Acknowledgements that may wait for the journal before the client is not read any more. */
const pendingMax = 2_000
/** Why a client is not read. */
const Pause = { fullQueue: 1, pending: 2, journal: 4, output: 8, login: 16 } as const

/**
 * One client: packets in, packets out.
 *
 * Invariants: answers leave in the order of the packets that they answer; what is written in one
 * tick leaves as one; the session is attached from CONNECT to the end and detached exactly once.
 */
export class Connection implements ClientPort, PublisherPort {
  readonly #host: ConnectionHost
  readonly #transport: Transport
  readonly #peer: Peer
  readonly #stranger: Stranger
  readonly #framer: PacketFramer
  readonly #writer = new Writer(512)
  readonly #answers = new Answers((answer) => this.#send(answer))
  readonly #liveness: Liveness
  readonly #connectedAtMs: number
  #admission: Admission | undefined
  #verdict: Verdict | undefined
  #session: Session | undefined
  #will: Will | undefined
  #publisher: Publisher | undefined
  #pauses = 0
  #isClosed = false
  #isFlushDue = false
  #wasCongested = false
  #closedAtMs = 0
  #messagesOut = 0

  constructor(host: ConnectionHost, transport: Transport, peer: Peer) {
    this.#host = host
    this.#transport = transport
    this.#peer = peer
    // Who has not said yet who it is gets little room.
    const { max_packet_size: packetBytesMax } = host.options
    this.#framer = new PacketFramer(Math.min(packetBytesMax, connectBytesMax))
    this.#stranger = new Stranger(host.strangers)
    this.#connectedAtMs = host.clock.nowMs()
    this.#liveness = new Liveness(transport, host.clock.monotonicMs())
  }

  get version(): ProtocolVersion {
    return this.#admission?.version ?? 4
  }
  get isCongested(): boolean {
    const isCongested = this.#writer.position + this.#transport.bufferedBytes > outputBytesMax
    if (isCongested) this.#wasCongested = true
    return isCongested
  }

  // ── input ──

  onData(chunk: Buffer): void {
    if (this.#isClosed) return
    this.#host.state.counters.bytesReceived += chunk.length
    this.#liveness.received(this.#host.clock.monotonicMs())
    if (this.#session === undefined && !this.#isStranger(chunk)) return
    this.#framer.push(chunk)
    this.#process()
  }

  /** Bytes gather for a message of a client: of one that has not logged in only so many may. */
  onRaw(byteCount: number): boolean {
    if (this.#session !== undefined || this.#isClosed) return false
    if (this.#stranger.take(byteCount)) return true
    this.#end()
    this.#transport.destroy()
    return false
  }

  /** Whether a chunk of a client that has not logged in may be kept. */
  #isStranger(chunk: Buffer): boolean {
    const isConnect = this.#stranger.begins(chunk)
    if (!isConnect) this.#end()
    else if (!this.#transport.isFramed) return this.onRaw(chunk.length)
    return isConnect
  }

  onClose(): void {
    this.#detach()
  }

  #process(): void {
    try {
      while (!this.#isClosed && this.#pauses === 0 && this.#framer.next()) {
        this.#host.state.counters.packetsReceived++
        this.#handle()
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.refuse(error)
    }
  }

  #handle(): void {
    const { header, body, packet } = this.#framer
    const type = header >> 4
    const session = this.#session
    if (!session) {
      if (type !== 1) throw new ProtocolError(Reason.protocolError, 'no CONNECT at first')
      this.#connect(packet, body)
      return
    }
    switch (type) {
      case 3:
        this.#publisher!.published(decodePublish(header, body, this.version))
        return
      case 4:
        checkFlags(header, 0)
        this.#host.state.delivery.acknowledged(session, decodePacketId(body), this.#nowMs)
        return
      case 5:
        checkFlags(header, 0)
        this.#received(session, decodePacketId(body), decodeReason(body, this.version))
        return
      case 6:
        checkFlags(header, 2)
        this.#publisher!.released(decodePacketId(body))
        return
      case 7:
        checkFlags(header, 0)
        this.#host.state.delivery.completed(session, decodePacketId(body), this.#nowMs)
        return
      case 8:
      case 10:
        this.#subscribing(session, packet)
        return
      case 12:
        checkFlags(header, 0)
        this.#writer.uint8(0xd0).uint8(0)
        this.#wrote()
        return
      case 14:
        this.#disconnecting(session, packet)
        return
      default:
        throw new ProtocolError(Reason.protocolError, `packet type ${type}`)
    }
  }

  #connect(packet: Buffer, body: Buffer): void {
    const entrance = enter(this.#host, this.#peer, packet, body)
    if (!(entrance instanceof Promise)) {
      this.#enter(entrance)
      return
    }
    this.#pause(Pause.login)
    entrance
      .then((decided) => {
        if (this.#isClosed) return
        this.#unpause(Pause.login)
        this.#enter(decided)
      })
      .catch((error: unknown) => {
        this.#host.logger.error({ err: error }, 'a password could not be checked')
        this.#end()
      })
  }

  #enter(entrance: Entrance): void {
    if (entrance.kind === 'refused') {
      this.#connack(entrance.version, entrance.reason)
      this.#end()
      return
    }
    const { admission, verdict } = entrance
    const { clientId, version } = admission
    const { identity } = verdict
    const { state, options } = this.#host
    const nowMs = this.#nowMs
    this.#stranger.left()
    this.#framer.allow(options.max_packet_size)
    state.sessions.get(clientId)?.client?.close(Reason.sessionTakenOver)
    const access = this.#host.accessOf(identity, clientId)
    const { session, isPresent } = state.attach(clientId, { ...admission, identity, access }, nowMs)
    this.#admission = admission
    this.#verdict = verdict
    this.#session = session
    this.#will = admission.will
    this.#publisher = new Publisher(this.#host, this, session, version)
    this.#connack(version, Reason.success, isPresent, admission.properties)
    this.#host.logger.debug(
      { clientId, address: this.#transport.remoteAddress, isPresent },
      'client connected',
    )
    state.connect(session, this, nowMs)
  }

  #connack(
    version: ProtocolVersion,
    reason: number,
    sessionPresent = false,
    properties: Admission['properties'] = {},
  ): void {
    const code =
      version === 5 ? { reasonCode: reason, properties } : { returnCode: connectReturnCode(reason) }
    // MQTT 3.1 has no session present flag.
    this.#control(
      { cmd: 'connack', sessionPresent: sessionPresent && version > 3, ...code },
      version,
    )
  }

  #received(session: Session, packetId: number, reason: number): void {
    const isRefused = reason >= 0x80
    const position = this.#host.state.delivery.received(session, packetId, isRefused, this.#nowMs)
    if (position >= 0) this.answer(Acknowledgement.pubrel, packetId, Reason.success, position)
    else if (!isRefused)
      this.answer(Acknowledgement.pubrel, packetId, Reason.packetIdentifierNotFound, 0)
  }

  #subscribing(session: Session, packet: Buffer): void {
    const decoded = decodeControlPacket(packet, this.version)
    const { state, journal } = this.#host
    const position = (): number => (session.isDurable ? journal.appended : 0)
    if (decoded.cmd === 'subscribe') {
      const { codes, withRetained } = subscribe(
        decoded,
        session,
        this.version,
        this.#host.listener.max_qos,
        state,
      )
      const messageId = decoded.messageId!
      this.answer(0, messageId, 0, position(), false, () => {
        this.#control({ cmd: 'suback', messageId, granted: codes })
        for (const subscription of withRetained)
          if (session.subscriptions.get(subscription.written) === subscription)
            state.sendRetained(subscription, this.#nowMs)
      })
      this.#host.subscribed()
    } else if (decoded.cmd === 'unsubscribe') {
      const granted = unsubscribe(decoded, session, state)
      const messageId = decoded.messageId!
      this.answer(0, messageId, 0, position(), false, () =>
        this.#control({ cmd: 'unsuback', messageId, granted }),
      )
    }
  }

  #disconnecting(session: Session, packet: Buffer): void {
    const decoded = decodeControlPacket(packet, this.version)
    if (decoded.cmd !== 'disconnect') return
    const expiry = this.version === 5 ? decoded.properties?.sessionExpiryInterval : undefined
    if (expiry !== undefined) {
      if (expiry > 0 && session.expirySeconds === 0)
        throw new ProtocolError(Reason.protocolError, 'a session expiry where CONNECT had none')
      session.expirySeconds = Math.min(expiry, this.#host.options.sessionExpirySecondsMax)
    }
    if (decoded.reasonCode !== Reason.disconnectWithWill) this.#will = undefined
    this.#end()
  }

  // ── output ──

  publish(delivered: Delivered): boolean {
    const { message, qos, packetId, isDuplicate, retain, subscriptionIds } = delivered
    const { expiresAtMs } = message
    const packet: OutgoingPublish = {
      topic: message.topic,
      payload: message.payload,
      properties: message.properties,
      messageExpiry:
        expiresAtMs === Number.POSITIVE_INFINITY
          ? -1
          : Math.max(0, Math.ceil((expiresAtMs - this.#nowMs) / 1_000)),
      qos,
      isDuplicate,
      retain,
      packetId,
      subscriptionIds,
    }
    const { version } = this
    const limit = this.#admission!.packetBytesMax
    if (limit !== Number.POSITIVE_INFINITY && publishBytes(packet, version) > limit) return false
    encodePublish(this.#writer, packet, version)
    const { counters } = this.#host.state
    counters.publishSent++
    counters.publishBytesSent += message.payload.length
    this.#messagesOut++
    this.#wrote()
    return true
  }

  release(packetId: number): void {
    encodeAcknowledgement(this.#writer, Acknowledgement.pubrel, packetId, 0, this.version)
    this.#wrote()
  }

  close(reason: number): void {
    if (this.#isClosed) return
    if (this.#session && this.version === 5)
      this.#control({ cmd: 'disconnect', reasonCode: reason })
    this.#end()
  }

  describe(): ClientDescription {
    const admission = this.#admission
    const names = { 3: '3.1', 4: '3.1.1', 5: '5' } as const
    return {
      clientId: admission?.clientId ?? '',
      address: this.#transport.remoteAddress,
      listener: this.#host.listener.name,
      protocol: names[this.version],
      ...(admission?.username === undefined ? {} : { username: admission.username }),
      keepAlive: admission?.keepAliveSeconds ?? 0,
      connectedAt: this.#connectedAtMs,
      messagesIn: this.#publisher?.messageCount ?? 0,
      messagesOut: this.#messagesOut,
      isBlocked: this.#publisher?.isWaiting ?? false,
    }
  }

  /** Sends the answers that waited for the journal to reach `durable`. */
  onDurable(durable: number): void {
    this.#answers.release(durable)
    if (this.#answers.length * 2 < pendingMax) this.#unpause(Pause.pending)
    if (!this.#host.isJournalBehind()) this.#unpause(Pause.journal)
    if (this.#answers.length === 0 && (this.#pauses & Pause.journal) === 0)
      this.#host.waiting.delete(this)
  }

  onDrain(): void {
    if (this.#isClosed || this.isCongested) return
    this.#unpause(Pause.output)
    if (!this.#wasCongested) return
    this.#wasCongested = false
    if (this.#session) this.#host.state.delivery.pump(this.#session, this.#nowMs)
  }

  /** Writes what has gathered in this tick. */
  flush(): void {
    this.#isFlushDue = false
    if (this.#writer.position === 0) return
    const bytes = this.#writer.take()
    this.#host.state.counters.bytesSent += bytes.length
    this.#transport.write(bytes)
    if (!this.#wasCongested) return
    if (this.#transport.bufferedBytes > unreadBytesMax) this.#pause(Pause.output)
    else this.onDrain()
  }

  /** Looks at the times of this connection; called about once a second. */
  sweep(monotonicMs: number): void {
    if (this.#isClosed) {
      if (monotonicMs - this.#closedAtMs > graceMs) this.#transport.destroy()
      return
    }
    const { clientId, keepAliveSeconds } = this.#admission ?? { clientId: '', keepAliveSeconds: 0 }
    // A client that is not read cannot be silent.
    if (this.#pauses !== 0) this.#liveness.received(monotonicMs)
    const isUndecided = (this.#pauses & Pause.login) !== 0
    if (!this.#session && !isUndecided && this.#liveness.isLate(monotonicMs)) this.#end()
    else if (this.#liveness.isSilent(keepAliveSeconds, monotonicMs))
      this.close(Reason.keepAliveTimeout)
    else if (this.#liveness.isStalled(monotonicMs)) {
      this.#host.logger.warn({ clientId }, 'client reads nothing; cut')
      this.#detach()
      this.#transport.destroy()
    }
  }

  answer(
    header: number,
    packetId: number,
    reason: number,
    position: number,
    isFinal = false,
    send?: () => void,
  ): void {
    const { journal } = this.#host
    const answer: Answer = { position, header, packetId, reason, isFinal, send }
    if (this.#answers.give(answer, journal.durable)) return
    this.#host.waiting.add(this)
    if (position > journal.durable) journal.demand(position)
    if (this.#answers.length >= pendingMax) this.#pause(Pause.pending)
    if (this.#host.isJournalBehind()) this.#pause(Pause.journal)
  }

  #send({ header, packetId, reason, isFinal, send }: Answer): void {
    if (send) {
      send()
      return
    }
    if (isFinal) this.#publisher?.answered()
    encodeAcknowledgement(this.#writer, header, packetId, reason, this.version)
    this.#wrote()
  }

  #control(packet: Packet, version: ProtocolVersion = this.version): void {
    const bytes = encodeControlPacket(packet, version)
    if (bytes.length > (this.#admission?.packetBytesMax ?? Number.POSITIVE_INFINITY)) return
    this.#writer.raw(bytes)
    this.#wrote()
  }

  #wrote(): void {
    this.#host.state.counters.packetsSent++
    if (this.#isFlushDue) return
    this.#isFlushDue = true
    this.#host.flushSoon(this)
  }

  // ── ends ──

  /** The rules have changed: whoever may not be here any more goes. */
  review(isDistrusted: boolean): void {
    const session = this.#session
    if (!session || !this.#verdict || this.#isClosed) return
    const isWelcome = !isDistrusted && this.#host.isStillWelcome(this.#verdict)
    if (!isWelcome) this.close(Reason.administrativeAction)
  }

  refuse(error: ProtocolError): void {
    this.#host.logger.debug(
      { address: this.#transport.remoteAddress, reason: error.reason, what: error.message },
      'protocol error',
    )
    this.close(error.reason)
  }

  #end(): void {
    if (this.#isClosed) return
    this.flush()
    this.#detach()
    this.#transport.end()
  }

  #detach(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#closedAtMs = this.#host.clock.monotonicMs()
    this.#stranger.left()
    this.#answers.clear()
    this.#publisher?.close()
    this.#host.waiting.delete(this)
    // A paused transport would not notice its end.
    if (this.#pauses !== 0) this.#transport.resume()
    if (this.#session) this.#host.state.detach(this.#session, this.#will, this.#nowMs)
  }

  setBlocked(isBlocked: boolean): void {
    if (isBlocked) this.#pause(Pause.fullQueue)
    else this.#unpause(Pause.fullQueue)
  }

  #pause(reason: number): void {
    if (this.#pauses === 0) this.#transport.pause()
    this.#pauses |= reason
  }

  #unpause(reason: number): void {
    if ((this.#pauses & reason) === 0) return
    this.#pauses &= ~reason
    if (this.#pauses === 0) setImmediate(() => this.#resume())
  }

  #resume(): void {
    if (this.#pauses !== 0 || this.#isClosed) return
    this.#process()
    if (this.#pauses === 0) this.#transport.resume()
  }

  get #nowMs(): number {
    return this.#host.clock.nowMs()
  }
}

function checkFlags(header: number, expected: number): void {
  if ((header & 15) !== expected)
    throw new ProtocolError(Reason.malformedPacket, 'reserved flags of a packet')
}
