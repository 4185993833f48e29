import net from 'node:net'
import { Reader, Writer } from '@khlong/core/bytes'
import { OpCode, Xid } from '../../src/protocol/codes.ts'
import {
  type AclEntry,
  readAcl,
  readBuffer,
  readString,
  readStrings,
  type Stat,
  writeAcl,
  writeBuffer,
  writeString,
  writeStrings,
} from '../../src/protocol/jute.ts'

export interface Reply {
  readonly code: number
  readonly zxid: number
  readonly body: Reader
}
export interface Event {
  readonly type: number
  readonly path: string
}

export const open: readonly AclEntry[] = [{ perms: 31, scheme: 'world', id: 'anyone' }]

export function readStat(reader: Reader): Stat {
  return {
    czxid: reader.int64(),
    mzxid: reader.int64(),
    ctime: reader.int64(),
    mtime: reader.int64(),
    version: reader.int32(),
    cversion: reader.int32(),
    aversion: reader.int32(),
    ephemeralOwner: reader.bigint64(),
    dataLength: reader.int32(),
    numChildren: reader.int32(),
    pzxid: reader.int64(),
  }
}

export interface SessionIdentity {
  readonly sessionId: bigint
  readonly password: Buffer
}

/** A client that shows every packet, for tests that look at the wire itself. */
export class WireClient {
  readonly #socket: net.Socket
  #input = Buffer.alloc(0)
  readonly #waiting: ((packet: Buffer | undefined) => void)[] = []
  #xid = 0
  sessionId = 0n
  password: Buffer = Buffer.alloc(16)
  timeoutMs = 0
  /** Events in the order of their coming; tests take them out. */
  events: Event[] = []
  isEnded = false
  readonly ended: Promise<void>

  private constructor(socket: net.Socket) {
    this.#socket = socket
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => this.#take(chunk))
    this.ended = new Promise((resolve) => {
      socket.once('close', () => {
        this.isEnded = true
        for (const waiting of this.#waiting.splice(0)) waiting(undefined)
        resolve()
      })
    })
  }

  static async dial(address: string): Promise<WireClient> {
    const colon = address.lastIndexOf(':')
    const socket = net.connect({
      host: address.slice(0, colon),
      port: Number(address.slice(colon + 1)),
      noDelay: true,
    })
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', () => resolve())
      socket.once('error', reject)
    })
    return new WireClient(socket)
  }

  /** A connection with a session: a new one, or that of `identity`. */
  static async connect(
    address: string,
    options: { timeoutMs?: number; identity?: SessionIdentity; lastZxid?: bigint } = {},
  ): Promise<WireClient> {
    const client = await WireClient.dial(address)
    const reply = client.#next()
    const writer = new Writer()
    writer
      .int32(0)
      .bigint64(options.lastZxid ?? 0n)
      .int32(options.timeoutMs ?? 10_000)
    writer.bigint64(options.identity?.sessionId ?? 0n)
    writeBuffer(writer, options.identity?.password ?? Buffer.alloc(16))
    writer.boolean(false)
    client.sendPacket(writer.bytes())
    const packet = await reply
    if (!packet) throw new Error('the server ended the connection')
    const reader = new Reader(packet)
    reader.int32()
    client.timeoutMs = reader.int32()
    client.sessionId = reader.bigint64()
    client.password = Buffer.from(readBuffer(reader)!)
    reader.boolean()
    reader.finish()
    return client
  }

  get identity(): SessionIdentity {
    return { sessionId: this.sessionId, password: this.password }
  }

  sendPacket(packet: Uint8Array): void {
    this.#socket.write(new Writer().int32(packet.byteLength).raw(packet).copy())
  }
  sendRaw(bytes: Uint8Array | string): void {
    this.#socket.write(bytes)
  }

  /** Sends a request and gives its reply. Requests may be sent before earlier replies are there. */
  async request(
    type: number,
    body: (writer: Writer) => void,
    xid: number = ++this.#xid,
  ): Promise<Reply> {
    const writer = new Writer()
    writer.int32(xid).int32(type)
    body(writer)
    const next = this.#next()
    this.sendPacket(writer.bytes())
    const packet = await next
    if (!packet) throw new Error('the server ended the connection')
    const reader = new Reader(packet)
    const found = reader.int32()
    if (found !== xid) throw new Error(`expected the reply to ${xid}, found that to ${found}`)
    return { zxid: reader.int64(), code: reader.int32(), body: reader }
  }

  create(
    path: string,
    data: string | null = '',
    flags = 0,
    acl: readonly AclEntry[] = open,
  ): Promise<Reply> {
    return this.request(OpCode.create, (writer) => writeCreate(writer, path, data, flags, acl))
  }
  create2(
    path: string,
    data: string | null = '',
    flags = 0,
    acl: readonly AclEntry[] = open,
  ): Promise<Reply> {
    return this.request(OpCode.create2, (writer) => writeCreate(writer, path, data, flags, acl))
  }
  createTtl(path: string, ttlMs: number, flags = 5): Promise<Reply> {
    return this.request(OpCode.createTtl, (writer) => {
      writeCreate(writer, path, '', flags, open)
      writer.int64(ttlMs)
    })
  }
  delete(path: string, version = -1): Promise<Reply> {
    return this.request(OpCode.delete, (writer) => writePathAndInt(writer, path, version))
  }
  setData(path: string, data: string | null, version = -1): Promise<Reply> {
    return this.request(OpCode.setData, (writer) => writeSetData(writer, path, data, version))
  }
  setAcl(path: string, acl: readonly AclEntry[], version = -1): Promise<Reply> {
    return this.request(OpCode.setAcl, (writer) => {
      writeString(writer, path)
      writeAcl(writer, acl)
      writer.int32(version)
    })
  }
  /** exists, getData, getChildren, getChildren2. */
  read(type: number, path: string, watch = false): Promise<Reply> {
    return this.request(type, (writer) => {
      writeString(writer, path)
      writer.boolean(watch)
    })
  }
  async stat(path: string, watch = false): Promise<Stat | undefined> {
    const { code, body } = await this.read(OpCode.exists, path, watch)
    return code === 0 ? readStat(body) : undefined
  }
  async data(path: string): Promise<string | null | undefined> {
    const { code, body } = await this.read(OpCode.getData, path)
    return code === 0 ? (readBuffer(body)?.toString() ?? null) : undefined
  }
  async children(path: string, watch = false): Promise<string[] | undefined> {
    const { code, body } = await this.read(OpCode.getChildren, path, watch)
    return code === 0 ? readStrings(body).sort() : undefined
  }
  async acl(path: string): Promise<AclEntry[] | number> {
    const { code, body } = await this.request(OpCode.getAcl, (writer) => writeString(writer, path))
    return code === 0 ? readAcl(body) : code
  }
  multi(ops: readonly MultiOp[]): Promise<Reply> {
    return this.request(OpCode.multi, (writer) => {
      for (const { type, write } of ops) {
        writer.int32(type).boolean(false).int32(-1)
        write(writer)
      }
      writer.int32(-1).boolean(true).int32(-1)
    })
  }
  auth(scheme: string, auth: string): Promise<Reply> {
    return this.request(
      OpCode.auth,
      (writer) => {
        writer.int32(0)
        writeString(writer, scheme)
        writeBuffer(writer, Buffer.from(auth))
      },
      Xid.auth,
    )
  }
  ping(): Promise<Reply> {
    return this.request(OpCode.ping, () => {}, Xid.ping)
  }
  pathAndInt(type: number, path: string, value: number): Promise<Reply> {
    return this.request(type, (writer) => writePathAndInt(writer, path, value))
  }
  setWatches(relativeZxid: number, lists: readonly (readonly string[])[]): Promise<Reply> {
    const type = lists.length === 5 ? OpCode.setWatches2 : OpCode.setWatches
    return this.request(
      type,
      (writer) => {
        writer.int64(relativeZxid)
        for (const list of lists) writeStrings(writer, list)
      },
      Xid.setWatches,
    )
  }
  async close(): Promise<void> {
    if (!this.isEnded) await this.request(OpCode.closeSession, () => {})
    this.#socket.end()
    await this.ended
  }
  /** Ends the connection, not the session. */
  async drop(): Promise<void> {
    this.#socket.destroy()
    await this.ended
  }
  /** Takes nothing from the server until {@link resume}. */
  pause(): void {
    this.#socket.pause()
  }
  resume(): void {
    this.#socket.resume()
  }
  takeEvents(): Event[] {
    return this.events.splice(0)
  }

  #next(): Promise<Buffer | undefined> {
    if (this.isEnded) return Promise.resolve(undefined)
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  #take(chunk: Buffer): void {
    this.#input = Buffer.concat([this.#input, chunk])
    while (this.#input.byteLength >= 4) {
      const end = 4 + this.#input.readInt32BE(0)
      if (this.#input.byteLength < end) return
      const packet = this.#input.subarray(4, end)
      this.#input = this.#input.subarray(end)
      if (this.sessionId !== 0n && packet.readInt32BE(0) === Xid.notification) {
        const reader = new Reader(packet, 16)
        const type = reader.int32()
        reader.int32()
        this.events.push({ type, path: readString(reader) })
      } else this.#waiting.shift()?.(packet)
    }
  }
}

function writeCreate(
  writer: Writer,
  path: string,
  data: string | null,
  flags: number,
  acl: readonly AclEntry[],
): void {
  writeString(writer, path)
  writeBuffer(writer, data === null ? null : Buffer.from(data))
  writeAcl(writer, acl)
  writer.int32(flags)
}
function writeSetData(writer: Writer, path: string, data: string | null, version: number): void {
  writeString(writer, path)
  writeBuffer(writer, data === null ? null : Buffer.from(data))
  writer.int32(version)
}
function writePathAndInt(writer: Writer, path: string, value: number): void {
  writeString(writer, path)
  writer.int32(value)
}

export interface MultiOp {
  readonly type: number
  readonly write: (writer: Writer) => void
}
export const multiCreate = (path: string, data: string | null, flags = 0): MultiOp => ({
  type: OpCode.create,
  write: (writer) => writeCreate(writer, path, data, flags, open),
})
export const multiDelete = (path: string, version = -1): MultiOp => ({
  type: OpCode.delete,
  write: (writer) => writePathAndInt(writer, path, version),
})
export const multiSetData = (path: string, data: string, version = -1): MultiOp => ({
  type: OpCode.setData,
  write: (writer) => writeSetData(writer, path, data, version),
})
export const multiCheck = (path: string, version: number): MultiOp => ({
  type: OpCode.check,
  write: (writer) => writePathAndInt(writer, path, version),
})

/** The results in a multi's reply: kind, code, path and stat. */
export function readMultiResults(
  reader: Reader,
): { type: number; code: number; path?: string; stat?: Stat }[] {
  const results: { type: number; code: number; path?: string; stat?: Stat }[] = []
  for (;;) {
    const type = reader.int32()
    const done = reader.boolean()
    const code = reader.int32()
    if (done || reader.failed) {
      reader.finish()
      return results
    }
    if (type === OpCode.create) results.push({ type, code, path: readString(reader) })
    else if (type === OpCode.create2)
      results.push({ type, code, path: readString(reader), stat: readStat(reader) })
    else if (type === OpCode.setData) results.push({ type, code, stat: readStat(reader) })
    else if (type === OpCode.error) {
      if (reader.int32() !== code) throw new Error('header and result of a failed operation differ')
      results.push({ type, code })
    } else results.push({ type, code })
  }
}
