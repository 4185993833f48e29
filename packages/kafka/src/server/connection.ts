import type { Socket } from 'node:net'
import { CodedError, type Logger } from '@khlong/core'
import { Reader, Writer } from '@khlong/core/bytes'
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
import type { BrokerState } from '../state/broker-state.ts'

/** Requests of a connection that may be under way at once; beyond it the socket is not read. */
const requestsMax = 256
/** Bytes of requests under way, and of responses not taken, beyond which the socket is not read. */
const requestBytesMax = 32 * 1024 * 1024
const responseBytesMax = 16 * 1024 * 1024

export interface ConnectionServices {
  readonly broker: BrokerState
  readonly handlers: ReadonlyMap<number, Handler>
  readonly logger: Logger
  readonly requestBytesMax: number
  readonly idleMs: number
}

/** A request whose place in the order of answers is kept. */
interface Slot {
  readonly byteCount: number
  /** Undefined while the answer is not there; null where the client wants none. */
  answer: Buffer | null | undefined
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
  #requestBytes = 0
  #isFlushPlanned = false

  constructor(socket: Socket, services: ConnectionServices) {
    this.#socket = socket
    this.#services = services
    this.#splitter = new FrameSplitter(services.requestBytesMax)
    if (services.idleMs > 0) socket.setTimeout(services.idleMs, () => this.#idle())
    socket.on('data', (piece: Buffer) => this.#read(piece))
    socket.on('drain', () => this.#regulate())
    socket.on('close', () => this.#closing.abort())
    // The other side may end its half after the last request; it still gets its answers.
    socket.on('end', () => {
      if (this.#slots.length === 0) socket.end()
    })
  }

  #idle(): void {
    if (this.#slots.length === 0) this.#socket.destroy()
  }

  #read(piece: Buffer): void {
    try {
      for (const frame of this.#splitter.push(piece)) this.#serve(frame)
    } catch (error) {
      this.#cut(error)
    }
    this.#regulate()
  }

  #serve(frame: Buffer): void {
    if (this.#closing.signal.aborted) return
    const reader = new Reader(frame)
    const header = decodeRequestHeader(reader)
    const handler = this.#services.handlers.get(header.apiKey)
    if (!handler) throw refused(header, 'is not supported')
    const slot: Slot = { byteCount: frame.byteLength, answer: undefined }
    this.#slots.push(slot)
    this.#requestBytes += frame.byteLength
    const isDone = header.apiVersion <= (handler.maxVersion ?? header.apiVersion)
    if (!isDone || !isKnownVersion(header.apiKey, header.apiVersion)) {
      if (header.apiKey !== ApiKey.apiVersions) throw refused(header, 'has another version')
      const handlers = [...this.#services.handlers.values()]
      this.#answer(slot, { ...header, apiVersion: 0 }, unsupportedApiVersions(handlers))
      return
    }
    const answer = handler.serve(reader, {
      broker: this.#services.broker,
      version: header.apiVersion,
      clientId: header.clientId ?? '',
      principal: 'User:ANONYMOUS',
      host: this.#socket.remoteAddress ?? '',
      signal: this.#closing.signal,
    })
    if (answer instanceof Promise)
      answer.then(
        (write) => this.#answer(slot, header, write),
        (error) => this.#cut(error, header),
      )
    else this.#answer(slot, header, answer)
  }

  #answer(slot: Slot, header: RequestHeader, write: ResponseWriter | undefined): void {
    if (this.#closing.signal.aborted) return
    try {
      slot.answer = write ? encode(header, write) : null
    } catch (error) {
      this.#cut(error, header)
      return
    }
    if (this.#slots[0] !== slot || this.#isFlushPlanned) return
    this.#isFlushPlanned = true
    setImmediate(() => this.#flush())
  }

  /** Writes every answer that is ready and whose turn it is. */
  #flush(): void {
    this.#isFlushPlanned = false
    if (this.#closing.signal.aborted) return
    this.#socket.cork()
    while (this.#slots.length > 0 && this.#slots[0]!.answer !== undefined) {
      const { answer, byteCount } = this.#slots.shift()!
      this.#requestBytes -= byteCount
      if (answer) this.#socket.write(answer)
    }
    this.#socket.uncork()
    this.#regulate()
    if (this.#slots.length === 0 && this.#socket.readableEnded) this.#socket.end()
  }

  /** Stops reading from one who asks faster than it is answered, or does not take its answers. */
  #regulate(): void {
    const isFull =
      this.#slots.length >= requestsMax ||
      this.#requestBytes >= requestBytesMax ||
      this.#socket.writableLength >= responseBytesMax
    if (isFull) this.#socket.pause()
    else if (this.#socket.isPaused()) this.#socket.resume()
  }

  #cut(error: unknown, header?: RequestHeader): void {
    if (this.#closing.signal.aborted) return
    const fields = {
      host: this.#socket.remoteAddress,
      apiKey: header?.apiKey,
      apiVersion: header?.apiVersion,
      err: error,
    }
    const { logger } = this.#services
    if (error instanceof CodedError) logger.warn(fields, 'closed a connection')
    else logger.error(fields, 'closed a connection after an error')
    this.#closing.abort()
    this.#socket.destroy()
  }
}

/** Shared by all connections: an answer is written in one go. Large answers take the memory with them. */
const writer = new Writer(16_384)
const copiedBytesMax = 32_768

function encode(header: RequestHeader, write: ResponseWriter): Buffer {
  writer.reset()
  const start = beginFrame(writer)
  encodeResponseHeader(writer, header.apiKey, header.apiVersion, header.correlationId)
  write(writer)
  endFrame(writer, start)
  return writer.position <= copiedBytesMax ? writer.copy() : writer.take()
}

function refused(header: RequestHeader, what: string): KafkaError {
  const { apiKey, apiVersion } = header
  return new KafkaError('KAFKA_REQUEST_REFUSED', `API ${apiKey} version ${apiVersion} ${what}`, {
    fields: { apiKey, apiVersion },
  })
}
