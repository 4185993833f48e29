import type { Socket } from 'node:net'
import { Reader, Writer } from '@khlong/core/bytes'
import {
  ApiKey,
  beginFrame,
  decodeResponseHeaderRest,
  ErrorCode,
  encodeRequestHeader,
  endFrame,
} from '@khlong/kafka-protocol'
import type { BrokerAddress } from './address.ts'
import type { Api } from './api.ts'
import { type OpenSocket, openSocket } from './broker-socket.ts'
import { apiVersionsApi } from './core-apis.ts'
import { asClientError, brokerError, clientError, type KafkaClientError } from './errors.ts'
import { FrameReceiver } from './frame-receiver.ts'
import type { ResolvedClientOptions } from './options.ts'
import { authenticate } from './sasl.ts'

/** A request that waits for its response. Responses come in the order of requests. */
interface PendingRequest {
  readonly correlationId: number
  readonly api: Api<never, unknown>
  readonly version: number
  readonly deadlineMs: number
  readonly memory: FrameMemory | undefined
  resolve(response: unknown): void
  reject(error: KafkaClientError): void
}

/** Where a response is put; its length is known when its first bytes come. */
export interface FrameMemory {
  /** Memory of this length, which is the response's until the request has ended. */
  take(byteCount: number): Buffer
}

export interface RequestOptions {
  /** Default `request.timeout.ms`. */
  readonly timeoutMs?: number
  /** A lower limit of the version than the API's own. */
  readonly maxVersion?: number
  /** The response's memory; by default some of its own. */
  readonly memory?: FrameMemory
}

/** When a login is renewed: within these shares of its time, as in Java's client. */
const renewalShareMin = 0.85
const renewalShareMax = 0.95
/** The longest that a timer runs. */
const timerMsMax = 0x7fff_ffff

const softwareVersion = '0.1.0'

/**
 * One connection to one broker: requests are pipelined and answered in order, what is written within
 * one tick leaves as one piece, and versions are negotiated once, at the beginning.
 */
export class BrokerConnection {
  readonly address: BrokerAddress
  readonly #options: ResolvedClientOptions
  readonly #socket: Socket
  readonly #receiver: FrameReceiver
  readonly #writer = new Writer(4096, { borrowFromBytes: 4096 })
  readonly #versions = new Map<number, readonly [number, number]>()
  #pending: PendingRequest[] = []
  #pendingHead = 0
  #nextCorrelationId = 0
  #isFlushScheduled = false
  #closedBy: KafkaClientError | undefined
  #timer: NodeJS.Timeout | undefined
  #renewal: NodeJS.Timeout | undefined
  /** What waits until a login is renewed: a broker takes nothing else in between. */
  #held: (() => void)[] | undefined
  readonly #onClose: (() => void)[] = []

  private constructor(address: BrokerAddress, options: ResolvedClientOptions, opened: OpenSocket) {
    const { socket } = opened
    this.address = address
    this.#options = options
    this.#socket = socket
    this.#receiver = new FrameReceiver(
      options['receive.message.max.bytes'],
      (byteCount) => this.#memoryOf(byteCount),
      (frame) => this.#receiveFrame(frame),
    )
    socket.setNoDelay(true)
    opened.onBytes = (bytes, byteCount) => this.#receive(bytes, byteCount)
    socket.on('error', (cause) => this.#closeWith(this.#disconnected(cause)))
    socket.on('close', () => this.#closeWith(this.#disconnected()))
  }

  /** Connects, learns the broker's versions and authenticates. */
  static async open(
    address: BrokerAddress,
    options: ResolvedClientOptions,
  ): Promise<BrokerConnection> {
    const opened = await openSocket(address, options)
    const connection = new BrokerConnection(address, options, opened)
    try {
      await connection.#learnVersions()
      if (options['security.protocol'].startsWith('SASL')) await connection.#login()
      return connection
    } catch (error) {
      connection.close()
      throw error
    }
  }

  get isOpen(): boolean {
    return this.#closedBy === undefined
  }
  /** Requests that wait for their response. */
  get pendingCount(): number {
    return this.#pending.length - this.#pendingHead
  }
  /** Calls `listener` once when the connection is gone. */
  onClose(listener: () => void): void {
    if (this.#closedBy) listener()
    else this.#onClose.push(listener)
  }

  /**
   * The newest version that both sides know.
   *
   * @throws KafkaClientError `KAFKA_CLIENT_UNSUPPORTED`
   */
  versionOf(api: Api<never, unknown>, maxVersion: number = api.maxVersion): number {
    const range = this.#versions.get(api.key)
    const version = Math.min(api.maxVersion, maxVersion, range?.[1] ?? -1)
    if (range !== undefined && version >= range[0] && version >= api.minVersion) return version
    const theirs = range === undefined ? 'does not have it' : `has versions ${range[0]}–${range[1]}`
    throw clientError(
      'KAFKA_CLIENT_UNSUPPORTED',
      `${api.name} is needed in version ${api.minVersion}–${Math.min(api.maxVersion, maxVersion)}; the broker at ${this.#where} ${theirs}`,
    )
  }

  /** Whether both sides know some version of an API. */
  supports(api: Api<never, unknown>): boolean {
    const range = this.#versions.get(api.key)
    return range !== undefined && range[0] <= api.maxVersion && range[1] >= api.minVersion
  }

  /** Sends a request and gives its response. Buffers in it borrow the received bytes: `options.memory`'s. */
  request<Request, Response>(
    api: Api<Request, Response>,
    value: Request,
    options: RequestOptions = {},
  ): Promise<Response> {
    const held = this.#held
    if (held)
      return new Promise((resolve, reject) => {
        held.push(() => this.request(api, value, options).then(resolve, reject))
      })
    return this.#request(api, value, options)
  }

  #request<Request, Response>(
    api: Api<Request, Response>,
    value: Request,
    options: RequestOptions = {},
  ): Promise<Response> {
    return new Promise((resolve, reject) => {
      const version = this.#append(api, value, options)
      this.#pending.push({
        correlationId: this.#nextCorrelationId++,
        api: api as Api<never, unknown>,
        version,
        deadlineMs: performance.now() + (options.timeoutMs ?? this.#options['request.timeout.ms']),
        memory: options.memory,
        resolve: resolve as (response: unknown) => void,
        reject,
      })
      this.#armTimer()
    })
  }

  /** Sends a request that has no response. */
  send<Request>(api: Api<Request, unknown>, value: Request): void {
    if (this.#held) {
      this.#held.push(() => {
        if (this.isOpen) this.send(api, value)
      })
      return
    }
    this.#append(api, value, {})
    this.#nextCorrelationId++
  }

  /** Whether more was written than the other side has taken so far. */
  get isCongested(): boolean {
    return this.#socket.writableNeedDrain
  }

  close(): void {
    this.#closeWith(clientError('KAFKA_CLIENT_CLOSED', `connection to ${this.#where} was closed`))
  }

  get #where(): string {
    return `${this.address.host}:${this.address.port}`
  }

  #disconnected(cause?: Error): KafkaClientError {
    return clientError('KAFKA_CLIENT_DISCONNECTED', `connection to ${this.#where} was lost`, {
      cause,
      retriable: true,
    })
  }

  async #learnVersions(): Promise<void> {
    // Until the broker has said more, ApiVersions is all that it is known to have.
    this.#versions.set(ApiKey.apiVersions, [0, apiVersionsApi.maxVersion])
    const request = { clientSoftwareName: 'khlong', clientSoftwareVersion: softwareVersion }
    let response = await this.request(apiVersionsApi, request)
    // A broker that does not know version 3 answers in version 0 and with its range.
    if (response.errorCode === ErrorCode.unsupportedVersion)
      response = await this.request(apiVersionsApi, request, { maxVersion: 0 })
    if (response.errorCode !== 0)
      throw brokerError(response.errorCode, `negotiating versions with ${this.#where}`)
    for (const { apiKey, minVersion, maxVersion } of response.apiKeys)
      this.#versions.set(apiKey, [minVersion, maxVersion])
  }

  /** Logs in, and does so again before the time is over that the broker gives (KIP-368). */
  async #login(): Promise<void> {
    const lifetimeMs = await authenticate(
      { request: (api, value, options) => this.#request(api, value, options) },
      this.#options,
    )
    if (lifetimeMs <= 0) return
    const share = renewalShareMin + Math.random() * (renewalShareMax - renewalShareMin)
    const waitMs = Math.min(lifetimeMs * share, timerMsMax)
    this.#renewal = setTimeout(() => this.#renew(), waitMs).unref()
  }

  async #renew(): Promise<void> {
    this.#held = []
    try {
      await this.#login()
      this.#release()
    } catch (error) {
      this.#closeWith(asClientError(error))
    }
  }

  #release(): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const resume of held) resume()
  }

  #append<Request>(api: Api<Request, unknown>, value: Request, options: RequestOptions): number {
    if (this.#closedBy) throw this.#closedBy
    const version = this.versionOf(api, options.maxVersion)
    const writer = this.#writer
    const start = beginFrame(writer)
    try {
      encodeRequestHeader(writer, {
        apiKey: api.key,
        apiVersion: version,
        correlationId: this.#nextCorrelationId,
        clientId: this.#options['client.id'],
      })
      api.encode(writer, value, version)
    } catch (error) {
      // A half-written frame must not leave; what stands before it is whole.
      writer.truncate(start)
      throw error
    }
    endFrame(writer, start)
    if (!this.#isFlushScheduled) {
      this.#isFlushScheduled = true
      queueMicrotask(() => this.#flush())
    }
    return version
  }

  #flush(): void {
    this.#isFlushScheduled = false
    if (this.#writer.position === 0 || this.#closedBy) return
    // Batches are not copied: they leave as they are, with the rest in one system call.
    const pieces = this.#writer.takePieces()
    this.#socket.cork()
    for (const piece of pieces) this.#socket.write(piece)
    this.#socket.uncork()
  }

  #receive(bytes: Buffer, byteCount: number): void {
    // What its requests had for memory may be another's by now.
    if (this.#closedBy) return
    try {
      this.#receiver.push(bytes, byteCount)
    } catch (cause) {
      this.#closeWith(
        clientError(
          'KAFKA_CLIENT_MALFORMED_RESPONSE',
          isTlsAlert(bytes)
            ? `the broker at ${this.#where} speaks TLS here: security.protocol has to be SSL or SASL_SSL`
            : `the broker at ${this.#where} sent bytes that are no response`,
          { cause, retriable: true },
        ),
      )
    }
  }

  /** The next frame answers the oldest request. */
  #memoryOf(byteCount: number): Buffer {
    const { memory } = this.#pending[this.#pendingHead] ?? {}
    return memory ? memory.take(byteCount) : Buffer.allocUnsafe(byteCount)
  }

  #receiveFrame(frame: Buffer): void {
    const pending = this.#pending[this.#pendingHead]
    const reader = new Reader(frame)
    const correlationId = reader.int32()
    if (pending === undefined || correlationId !== pending.correlationId)
      throw new RangeError(
        `response ${correlationId}, expected ${pending ? pending.correlationId : 'none'}`,
      )
    const { api } = pending
    let { version } = pending
    decodeResponseHeaderRest(reader, api.key, version)
    if (api.key === ApiKey.apiVersions && frame.byteLength >= 6 && frame.readInt16BE(4) === 35)
      version = 0
    const response = api.decode(reader, version)
    reader.finish()
    this.#shift()
    pending.resolve(response)
  }

  #shift(): void {
    this.#pendingHead++
    if (this.#pendingHead > 32 && this.#pendingHead * 2 > this.#pending.length) {
      this.#pending = this.#pending.slice(this.#pendingHead)
      this.#pendingHead = 0
    }
  }

  /** One timer per connection: the oldest request's deadline is the one that counts. */
  #armTimer(): void {
    if (this.#timer) return
    const oldest = this.#pending[this.#pendingHead]
    if (!oldest) return
    const waitMs = Math.max(0, oldest.deadlineMs - performance.now())
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      const due = this.#pending[this.#pendingHead]
      if (due && due.deadlineMs <= performance.now() + 1)
        this.#closeWith(
          clientError('KAFKA_CLIENT_TIMEOUT', `no answer to ${due.api.name} from ${this.#where}`, {
            retriable: true,
          }),
        )
      else this.#armTimer()
    }, Math.min(waitMs, 1_000) + 1).unref()
  }

  #closeWith(error: KafkaClientError): void {
    if (this.#closedBy) return
    this.#closedBy = error
    clearTimeout(this.#timer)
    clearTimeout(this.#renewal)
    this.#socket.destroy()
    this.#release()
    const pending = this.#pending.slice(this.#pendingHead)
    this.#pending = []
    this.#pendingHead = 0
    for (const request of pending) request.reject(error)
    for (const listener of this.#onClose) listener()
  }
}

/** What a TLS server says to one who begins without it (RFC 8446, section 5.1): an alert of some version 3. */
function isTlsAlert(bytes: Buffer): boolean {
  return bytes[0] === 21 && bytes[1] === 3
}
