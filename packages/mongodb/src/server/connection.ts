import type { Socket } from 'node:net'
import { describeError, type Logger } from '@khlong/core'
import { int32At } from '../bson/element.ts'
import { MongoError } from '../errors.ts'
import {
  type CommandMessage,
  decodeMessage,
  encodeReply,
  HEADER_BYTES,
  MESSAGE_BYTES_MAX,
} from '../protocol/message.ts'

/** What answers the commands of a connection; undefined means that no reply is sent. */
export type CommandHandler = (message: CommandMessage) => Promise<Buffer> | Buffer

/** Traffic in bytes and messages, shared by all connections. */
export interface NetworkCounts {
  bytesIn: number
  bytesOut: number
  requests: number
}

/**
 * Frames messages on one socket and answers them one after another. It reads no further while a
 * message is being answered and replies wait to be taken.
 */
export class Connection {
  readonly #socket: Socket
  readonly #handle: CommandHandler
  readonly #counts: NetworkCounts
  readonly #logger: Logger
  readonly #head = Buffer.allocUnsafe(HEADER_BYTES)
  #headBytes = 0
  #message: Buffer | undefined
  #messageBytes = 0
  #waiting: Buffer[] = []
  #isBusy = false
  #replyId = 0

  constructor(
    socket: Socket,
    handle: CommandHandler,
    shared: { counts: NetworkCounts; logger: Logger },
  ) {
    this.#socket = socket
    this.#handle = handle
    this.#counts = shared.counts
    this.#logger = shared.logger
    socket.on('data', (chunk) => this.#read(chunk))
  }

  #read(chunk: Buffer<ArrayBuffer>): void {
    this.#counts.bytesIn += chunk.length
    this.#copy(chunk)
    // By itself it would lie until a collection: 30 MiB of such chunks while a gigabyte of documents comes in,
    // and holes between what else was allocated meanwhile, which the process keeps.
    if (chunk.buffer.byteLength === chunk.length) chunk.buffer.transfer(0)
    if (this.#waiting.length === 0) return
    if (!this.#isBusy) void this.#answerAll()
    // One command at a time is the rule; a client that sends on ahead waits here.
    else this.#socket.pause()
  }

  #copy(chunk: Buffer): void {
    let at = 0
    while (at < chunk.length) {
      if (!this.#message) {
        const taken = chunk.copy(this.#head, this.#headBytes, at)
        this.#headBytes += taken
        at += taken
        if (this.#headBytes < HEADER_BYTES) return
        const length = int32At(this.#head, 0)
        if (length < HEADER_BYTES || length > MESSAGE_BYTES_MAX) {
          this.#refuse(`a message claims ${length} bytes`)
          return
        }
        this.#message = Buffer.allocUnsafeSlow(length)
        this.#messageBytes = this.#head.copy(this.#message)
        this.#headBytes = 0
      }
      const taken = chunk.copy(this.#message, this.#messageBytes, at)
      this.#messageBytes += taken
      at += taken
      if (this.#messageBytes < this.#message.length) continue
      this.#waiting.push(this.#message)
      this.#message = undefined
    }
  }

  async #answerAll(): Promise<void> {
    this.#isBusy = true
    try {
      for (;;) {
        const bytes = this.#waiting.shift()
        if (!bytes) break
        if (!(await this.#answer(bytes))) return
      }
    } catch (error) {
      this.#logger.error({ err: describeError(error) }, 'a command handler failed')
      this.#socket.destroy()
    } finally {
      this.#isBusy = false
    }
    if (this.#socket.isPaused()) this.#socket.resume()
  }

  async #answer(bytes: Buffer): Promise<boolean> {
    let message: CommandMessage
    try {
      message = decodeMessage(bytes)
    } catch (error) {
      if (!(error instanceof MongoError)) throw error
      this.#refuse(error.message)
      return false
    }
    this.#counts.requests++
    const reply = await this.#handle(message)
    if (message.isMoreToCome || this.#socket.destroyed) return true
    const [head, document] = encodeReply(message, ++this.#replyId, reply)
    this.#counts.bytesOut += head.length + document.length
    this.#socket.cork()
    this.#socket.write(head)
    const isTaken = this.#socket.write(document)
    this.#socket.uncork()
    if (!isTaken) await this.#drained()
    return true
  }

  #drained(): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#socket.off('drain', done)
        this.#socket.off('close', done)
        resolve()
      }
      this.#socket.on('drain', done)
      this.#socket.on('close', done)
    })
  }

  #refuse(reason: string): void {
    this.#logger.warn({ reason }, 'a connection was closed for a malformed message')
    this.#socket.destroy()
  }
}
