import type { Socket } from 'node:net'
import { CodedError, type Logger } from '@khlong/core'
import { type BufferPool, LentBytes, Reader, Writer } from '@khlong/core/bytes'
import {
  ApiKey,
  beginFrame,
  decodeRequestHeader,
  encodeResponseHeader,
  endFrame,
  FrameSplitter,
  isKnownVersion,
  type RequestHeader,
} from '@khlong/kafka-protocol'
import { KafkaError } from '../errors.ts'
import { unsupportedApiVersions } from '../handlers/18-api-versions.ts'
import type { Handler, ResponseWriter } from '../handlers/handler.ts'
import { internalPrincipal } from '../security/principal.ts'
import type { SaslSession } from '../security/sasl-session.ts'
import type { BrokerState } from '../state/broker-state.ts'
import { type AnswerBudget, AnswerRoom } from './answer-budget.ts'
import type { BrokerListener } from './broker-listener.ts'
import { hostOf } from './peer-host.ts'
import { type RequestBudget, RequestRoom } from './request-budget.ts'
import { answerLogin, isLoginApi } from './sasl-exchange.ts'

/** Requests of a connection that may be under way at once; beyond it the socket is not read. */
const requestsMax = 256
/** Bytes of requests under way, and of responses not taken, beyond which the socket is not read. */
const requestBytesMax = 32 * 1024 * 1024
const responseBytesMax = 16 * 1024 * 1024
/** Pieces of an answer from this size on are borrowed, and such answers count against the budget of all connections. */
const borrowedBytesMin = 4_096
/** Produce requests from this size on lie in memory that is used again. */
const lentBytesMin = 4_096
const nothing = Buffer.alloc(0)

export interface ConnectionServices {
  readonly broker: BrokerState
  /** The door that the client came in by. */
  readonly listener: BrokerListener
  readonly handlers: ReadonlyMap<number, Handler>
  readonly logger: Logger
  readonly requestBytesMax: number
  readonly idleMs: number
  /** Shared by all connections. */
  readonly answers: AnswerBudget
  /** Shared by all connections. */
  readonly requests: RequestBudget
  /** Shared by those that must log in and have not: what strangers send takes no memory from clients. */
  readonly loginRequests: RequestBudget
  /** For requests that bring batches; shared with the logs. */
  readonly memory: BufferPool
  /** A login that failed is answered after this time, so that guessing is slow. */
  readonly failureDelayMs: number
}

/** A request whose place in the order of answers is kept. */
interface Slot {
  /** Of the request; 0 when its memory was given back. */
  byteCount: number
  /** Undefined while the answer is not there; null where the client wants none. */
  answer: readonly Uint8Array[] | null | undefined
  /** What the answer holds of the budget of all connections. */
  readonly room: AnswerRoom
  /** Whether the connection ends with this answer. */
  isLast: boolean
  /** A handler works on it: what it borrowed is needed until it is done, whatever becomes of the connection. */
  isServed: boolean
}

/**
 * One client. Requests are worked on as they come and answered in their order; answers that are ready in
 * the same turn of the event loop leave with one write.
 */
export class Connection {
  readonly #socket: Socket
  readonly #services: ConnectionServices
  readonly #splitter: FrameSplitter
  readonly #slots: Slot[] = []
  readonly #closing = new AbortController()
  readonly #host: string
  /** The client's login, on a listener that asks for one. */
  readonly #session: SaslSession | undefined
  #principal: string
  readonly #requests: RequestRoom
  /** Of answers that were written, and that the client has not taken. */
  readonly #sent = new Set<AnswerRoom>()
  readonly #onStalled = (): void => this.#cut(stalled())
  #isFlushPlanned = false
  readonly #onTurnEnd = (): void => this.#flush()
  /** After a login that failed: nothing more is read. */
  #isRefused = false

  /** @throws KafkaError `KAFKA_CLIENT_REFUSED` where the client's certificate says who must not come in */
  constructor(socket: Socket, services: ConnectionServices) {
    this.#socket = socket
    this.#services = services
    this.#host = hostOf(socket.remoteAddress)
    const { listener } = services
    this.#principal = listener.principalOf(socket)
    this.#session = listener.newSession()
    this.#splitter = new FrameSplitter({
      bytesMax: this.#session
        ? listener.plan.security['sasl.server.max.receive.size']
        : services.requestBytesMax,
      onCopied: freeChunk,
    })
    this.#requests = new RequestRoom(this.#session ? services.loginRequests : services.requests, {
      onAdmitted: () => this.#regulate(),
      onStalled: () => this.#cut(unfinished()),
    })
    if (services.idleMs > 0) socket.setTimeout(services.idleMs, () => this.#idle())
    socket.on('data', (chunk: Buffer) => {
      this.#splitter.push(chunk)
      this.#regulate()
    })
    socket.on('drain', () => this.#regulate())
    socket.on('close', () => {
      this.#closing.abort()
      this.#requests.close()
      for (const slot of this.#slots) if (!slot.isServed) this.#giveBack(slot)
      for (const room of this.#sent) room.close()
    })
  }

  #idle(): void {
    if (this.#isIdle) this.#socket.destroy()
  }

  get #isIdle(): boolean {
    return this.#slots.length === 0 && !this.#isFull
  }

  /** Serves the requests that are there. Those that are too many wait where they are: in what was read. */
  #serveAll(): void {
    const { signal } = this.#closing
    try {
      while (!signal.aborted && !this.#isFull) {
        const byteCount = this.#splitter.nextLength
        if (byteCount === undefined) {
          this.#requests.expect(this.#splitter.announcedLength, this.#splitter.bufferedBytes)
          return
        }
        this.#serveNext(byteCount)
      }
    } catch (error) {
      this.#cut(error)
    }
  }

  /** Batches stay where they are until they are written, and then their memory is used again. */
  #serveNext(byteCount: number): void {
    const isLent = byteCount >= lentBytesMin && this.#splitter.nextApiKey === ApiKey.produce
    const memory = isLent ? new LentBytes(this.#services.memory, byteCount) : undefined
    try {
      this.#serve(this.#splitter.take(memory?.bytes), memory)
    } finally {
      memory?.release()
    }
  }

  #serve(frame: Buffer, memory: LentBytes | undefined): void {
    const slot: Slot = {
      byteCount: frame.byteLength,
      answer: undefined,
      room: new AnswerRoom(this.#services.answers, this.#onStalled),
      isLast: false,
      isServed: false,
    }
    if (this.#session?.expectsToken) {
      this.#enter(slot)
      this.#takeToken(slot, this.#session, frame)
      return
    }
    const reader = new Reader(frame)
    const header = decodeRequestHeader(reader)
    const handler = this.#services.handlers.get(header.apiKey)
    if (!handler) throw refused(header, 'is not supported')
    this.#enter(slot)
    const isDone = header.apiVersion <= (handler.maxVersion ?? header.apiVersion)
    if (!isDone || !isKnownVersion(header.apiKey, header.apiVersion)) {
      if (header.apiKey !== ApiKey.apiVersions) throw refused(header, 'has another version')
      const handlers = [...this.#services.handlers.values()]
      this.#answer(slot, { ...header, apiVersion: 0 }, unsupportedApiVersions(handlers))
      return
    }
    if (this.#session && !this.#isLoggedIn(this.#session, header)) {
      this.#takeLogin(slot, this.#session, header, reader)
      return
    }
    const answer = handler.serve(reader, {
      broker: this.#services.broker,
      version: header.apiVersion,
      clientId: header.clientId ?? '',
      principal: this.#principal,
      host: this.#host,
      address: this.#services.listener.advertised,
      memory,
      room: slot.room,
      signal: this.#closing.signal,
    })
    if (answer instanceof Promise) void this.#await(slot, header, answer)
    else this.#answer(slot, header, answer)
  }

  async #await(
    slot: Slot,
    header: RequestHeader,
    answer: Promise<ResponseWriter | undefined>,
  ): Promise<void> {
    slot.isServed = true
    try {
      const write = await answer
      this.#answer(slot, header, write)
    } catch (error) {
      this.#cut(error, header)
    }
    slot.isServed = false
    if (this.#closing.signal.aborted) this.#giveBack(slot)
  }

  #enter(slot: Slot): void {
    this.#slots.push(slot)
    this.#requests.enter(slot.byteCount)
  }

  /** The request is not needed any more. */
  #leave(slot: Slot): void {
    this.#requests.leave(slot.byteCount)
    slot.byteCount = 0
  }

  /** The connection is gone, and nobody works for it. */
  #giveBack(slot: Slot): void {
    slot.room.close()
    this.#leave(slot)
  }

  /**
   * Whether a request is served as any other. Before the login that is what asks for versions only, and
   * afterwards all but what renews the login.
   */
  #isLoggedIn(session: SaslSession, header: RequestHeader): boolean {
    const { apiKey } = header
    if (session.isBusy) return apiKey === ApiKey.apiVersions && session.isBeforeHandshake
    if (apiKey === ApiKey.saslHandshake && session.isRenewable) return false
    if (session.isExpired(this.#services.broker.clock.monotonicMs()))
      throw refused(header, 'came after the login had run out')
    return true
  }

  #takeLogin(slot: Slot, session: SaslSession, header: RequestHeader, reader: Reader): void {
    const { apiKey, apiVersion } = header
    const nowMs = this.#services.broker.clock.monotonicMs()
    const write = isLoginApi(apiKey)
      ? answerLogin(session, apiKey, apiVersion, reader, nowMs)
      : undefined
    if (!write) throw refused(header, 'does not belong to a login, which comes first')
    this.#afterLogin(session, slot, () => this.#answer(slot, header, write))
  }

  /** A token without a header, after a handshake of version 0 (KIP-43). */
  #takeToken(slot: Slot, session: SaslSession, token: Buffer): void {
    const answer = session.authenticate(token, this.#services.broker.clock.monotonicMs())
    this.#afterLogin(session, slot, () => {
      slot.answer = session.hasFailed ? null : [frameOf(answer.authBytes)]
      this.#planFlush(slot)
    })
  }

  #afterLogin(session: SaslSession, slot: Slot, answer: () => void): void {
    const { listener, requestBytesMax, failureDelayMs, broker, logger, requests } = this.#services
    if (session.hasFailed) {
      listener.logins.failed++
      const { mechanism } = session
      logger.warn({ host: this.#host, listener: listener.plan.name, mechanism }, 'a login failed')
      slot.isLast = true
      this.#isRefused = true
      const timer = broker.clock.setTimer(() => {
        if (!this.#closing.signal.aborted) answer()
      }, failureDelayMs)
      this.#closing.signal.addEventListener('abort', () => broker.clock.clearTimer(timer))
      return
    }
    if (!session.isBusy) {
      listener.logins.succeeded++
      this.#principal = listener.plan.isInternal ? internalPrincipal : session.principal!
      this.#splitter.limitTo(requestBytesMax)
      this.#requests.moveTo(requests)
    }
    answer()
  }

  #answer(slot: Slot, header: RequestHeader, write: ResponseWriter | undefined): void {
    if (this.#closing.signal.aborted) return
    try {
      slot.answer = write ? encode(header, write) : null
      this.#hold(slot)
    } catch (error) {
      this.#cut(error, header)
      return
    }
    this.#planFlush(slot)
  }

  /** Small answers are not counted, and borrow nothing: a connection holds few of them. */
  #hold({ answer, room }: Slot): void {
    let byteCount = 0
    for (const piece of answer ?? []) byteCount += piece.byteLength
    if (byteCount < borrowedBytesMin) room.close()
    else room.settle(Math.max(byteCount, room.heldBytes))
  }

  #send({ answer, room }: Slot): void {
    for (const piece of answer ?? []) this.#socket.write(piece)
    if (room.heldBytes === 0) return
    this.#sent.add(room)
    room.noteSent()
    this.#socket.write(nothing, () => {
      this.#sent.delete(room)
      room.close()
      if (!this.#closing.signal.aborted) this.#regulate()
    })
  }

  #planFlush(slot: Slot): void {
    if (this.#slots[0] !== slot || this.#isFlushPlanned) return
    this.#isFlushPlanned = true
    process.nextTick(this.#onTurnEnd)
  }

  /** Writes every answer that is ready and whose turn it is. */
  #flush(): void {
    this.#isFlushPlanned = false
    if (this.#closing.signal.aborted) return
    const isSingle = this.#isSinglePiece
    if (!isSingle) this.#socket.cork()
    while (this.#slots.length > 0 && this.#slots[0]!.answer !== undefined) {
      const slot = this.#slots.shift()!
      this.#leave(slot)
      this.#send(slot)
      if (slot.isLast) this.#socket.end()
    }
    if (!isSingle) this.#socket.uncork()
    this.#regulate()
  }

  /** Whether one piece is all that can be written now: it needs no gathering, which has its price. */
  get #isSinglePiece(): boolean {
    const [first, second] = this.#slots
    return first?.answer?.length === 1 && first.room.heldBytes === 0 && second?.answer === undefined
  }

  /** Stops reading from one who asks faster than it is answered, or does not take its answers. */
  #regulate(): void {
    this.#serveAll()
    if (this.#isFull) this.#socket.pause()
    else if (this.#socket.isPaused()) this.#socket.resume()
  }

  get #isFull(): boolean {
    return (
      this.#isRefused ||
      this.#slots.length >= requestsMax ||
      this.#requests.enteredBytes >= requestBytesMax ||
      this.#requests.mustWait ||
      this.#socket.writableLength >= responseBytesMax ||
      // Where memory is short, everybody gets one answer, and the next when that is taken.
      (this.#services.answers.isSpent && (this.#slots.length > 0 || this.#sent.size > 0))
    )
  }

  #cut(error: unknown, header?: RequestHeader): void {
    if (this.#closing.signal.aborted) return
    const fields = {
      host: this.#host,
      apiKey: header?.apiKey,
      apiVersion: header?.apiVersion,
      err: error,
    }
    const { logger } = this.#services
    if (error instanceof CodedError) logger.warn(fields, 'closed a connection')
    else logger.error(fields, 'closed a connection after an error')
    this.#closing.abort()
    this.#requests.close()
    this.#socket.destroy()
  }
}

/**
 * Shared by all connections: an answer is written in one go. Batches lie beside it as they were read from the disk or
 * kept in memory, and go to the socket uncopied.
 */
const writer = new Writer(16_384, { borrowFromBytes: borrowedBytesMin })
/** Beyond it the memory of an answer that borrowed nothing is given away with it. */
const copiedBytesMax = 32_768

function encode(header: RequestHeader, write: ResponseWriter): readonly Uint8Array[] {
  writer.reset()
  const start = beginFrame(writer)
  encodeResponseHeader(writer, header.apiKey, header.apiVersion, header.correlationId)
  write(writer)
  endFrame(writer, start)
  const isLarge = writer.position > copiedBytesMax && writer.borrowedSince(start) === 0
  return isLarge ? [writer.take()] : writer.takePieces()
}

/** By itself it would lie until a collection of the old generation, of which many would come of it. */
function freeChunk({ buffer, byteLength }: Buffer): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0)
}

function frameOf(bytes: Buffer): Buffer {
  const frame = Buffer.alloc(4 + bytes.byteLength)
  frame.writeInt32BE(bytes.byteLength)
  bytes.copy(frame, 4)
  return frame
}

function stalled(): KafkaError {
  return new KafkaError(
    'KAFKA_ANSWER_STALLED',
    'the client does not take its answer, and others wait for the memory that it holds',
  )
}

function unfinished(): KafkaError {
  return new KafkaError(
    'KAFKA_REQUEST_STALLED',
    'the client does not send the request that it began, and others wait for the memory that it holds',
  )
}

function refused(header: RequestHeader, what: string): KafkaError {
  const { apiKey, apiVersion } = header
  return new KafkaError('KAFKA_REQUEST_REFUSED', `API ${apiKey} version ${apiVersion} ${what}`, {
    fields: { apiKey, apiVersion },
  })
}
