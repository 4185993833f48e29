import type { Socket } from 'node:net'
import { Writer } from '@khlong/core/bytes'
import { type EventType, Permission, syncConnected, Xid } from '../protocol/codes.ts'
import { type Acl, type AuthId, writeString } from '../protocol/jute.ts'
import type { Session } from '../state/sessions.ts'
import type { Caller, State } from '../state/state.ts'
import type { Watcher } from '../state/watches.ts'

/** What a connection needs of its server. */
export interface ConnectionHost {
  readonly state: State
  /** The connection has bytes to send; they leave when all they tell of is durable. */
  onOutput(connection: Connection): void
  /** A packet without its length, borrowed; `isFirst` until the connection has a session. */
  onPacket(connection: Connection, packet: Buffer): void
  /** The first four bytes were one of the four-letter words. */
  onCommand(connection: Connection, command: string): void
  isCommand(word: string): boolean
  onClose(connection: Connection): void
  readonly frameBytesMax: number
}

// A client that sends requests faster than it takes replies is not read from beyond this.
const unsentBytesPause = 1 << 20
// A client that takes nothing while its watches fire is cut off.
const unsentBytesMax = 64 << 20

const nothing = Buffer.alloc(0)

/** One client: its packets in, its replies and events out in order. It is the watcher of its watches. */
export class Connection implements Watcher, Caller {
  readonly socket: Socket
  readonly address: string
  readonly #host: ConnectionHost
  readonly ids: AuthId[]
  session: Session | undefined
  #input: Buffer[] = []
  #inputBytes = 0
  #output = new Writer(512)
  #waitingBytes = 0
  #isProcessing = false
  #isPaused = false
  #isClosing = false
  packetsReceived = 0
  packetsSent = 0
  /** Requests whose replies have not left yet, and when the first of them came. */
  outstanding = 0
  outstandingSinceMs = 0
  establishedMs = 0
  lastZxid = 0
  lastOperation = 'NA'

  constructor(socket: Socket, host: ConnectionHost) {
    this.socket = socket
    this.#host = host
    this.address = (socket.remoteAddress ?? '').replace(/^::ffff:/, '')
    this.ids = [{ scheme: 'ip', id: this.address }]
    socket.on('data', (chunk: Buffer) => {
      this.#input.push(chunk)
      this.#inputBytes += chunk.byteLength
      this.#process()
    })
    socket.on('drain', () => this.#resume())
    socket.once('close', () => {
      this.#isClosing = true
      this.#input = []
      host.onClose(this)
    })
  }

  get sessionId(): bigint {
    return this.session?.id ?? 0n
  }
  get isClosing(): boolean {
    return this.#isClosing
  }
  /** Bytes that wait for durability or for the client. */
  get unsentBytes(): number {
    return this.#output.position + this.#waitingBytes + this.socket.writableLength
  }

  /** Appends a packet to what will be sent; `write` gives its content. */
  send(write: (writer: Writer) => void): void {
    const writer = this.#output
    const at = writer.reserve(4)
    write(writer)
    writer.setInt32(at, writer.position - at - 4)
    this.#sent()
  }
  /** Appends text as it is: the answer to a four-letter word. */
  sendText(text: string): void {
    this.#output.utf8(text)
    this.#sent()
  }
  #sent(): void {
    this.packetsSent++
    if (this.unsentBytes > unsentBytesMax) this.destroy()
    else this.#host.onOutput(this)
  }

  notify(type: EventType, path: string, zxid: number, acl: Acl | undefined): void {
    if (this.#isClosing) return
    if (acl && !this.#host.state.isAllowed(this, acl, Permission.read)) return
    this.send((writer) => {
      writer.int32(Xid.notification).int64(zxid).int32(0)
      writer.int32(type).int32(syncConnected)
      writeString(writer, path)
    })
  }

  /** Takes the bytes that are to be sent together; they wait until {@link transmit}. */
  seal(): Buffer {
    if (this.#output.position === 0) return nothing
    const bytes = this.#output.take()
    this.#waitingBytes += bytes.byteLength
    return bytes
  }
  transmit(bytes: Buffer): void {
    this.#waitingBytes -= bytes.byteLength
    if (this.socket.destroyed) return
    if (bytes.byteLength > 0) this.socket.write(bytes)
    if (this.#isClosing && this.#waitingBytes === 0 && this.#output.position === 0)
      this.socket.end()
    else this.#resume()
  }

  /** Reads nothing more, and ends after what is to be sent. */
  close(): void {
    if (this.#isClosing) return
    this.#isClosing = true
    this.#input = []
    this.#inputBytes = 0
    // What still comes in is thrown away, so that the end of the stream is seen.
    this.socket.removeAllListeners('data').resume()
    this.#host.onOutput(this)
  }
  destroy(): void {
    this.#isClosing = true
    this.socket.destroy()
  }

  #resume(): void {
    if (!this.#isPaused || this.#isClosing || this.unsentBytes > unsentBytesPause) return
    this.#isPaused = false
    this.#process()
    if (!this.#isPaused) this.socket.resume()
  }

  #process(): void {
    if (this.#isProcessing) return
    this.#isProcessing = true
    while (!this.#isClosing) {
      if (this.unsentBytes > unsentBytesPause) {
        this.#isPaused = true
        this.socket.pause()
        break
      }
      const packet = this.#nextPacket()
      if (!packet) break
      this.packetsReceived++
      this.#host.onPacket(this, packet)
    }
    this.#isProcessing = false
  }

  #nextPacket(): Buffer | undefined {
    if (this.#inputBytes < 4) return undefined
    let front = this.#input[0]!
    if (front.byteLength < 4) front = this.#join()
    const byteCount = front.readInt32BE(0)
    if (!this.session && this.packetsReceived === 0) {
      const word = front.toString('latin1', 0, 4)
      if (this.#host.isCommand(word)) {
        this.packetsReceived++
        this.#host.onCommand(this, word)
        return undefined
      }
    }
    if (byteCount < 0 || byteCount > this.#host.frameBytesMax) {
      this.destroy()
      return undefined
    }
    if (this.#inputBytes < byteCount + 4) return undefined
    if (front.byteLength < byteCount + 4) front = this.#join()
    this.#inputBytes -= byteCount + 4
    if (front.byteLength === byteCount + 4) this.#input.shift()
    else this.#input[0] = front.subarray(byteCount + 4)
    return front.subarray(4, byteCount + 4)
  }

  #join(): Buffer {
    const joined = Buffer.concat(this.#input)
    this.#input = [joined]
    return joined
  }
}
