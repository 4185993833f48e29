import { connect, type Socket } from 'node:net'
import { Reader, Writer } from '@khlong/core/bytes'
import {
  beginFrame,
  decodeResponseHeaderRest,
  encodeRequestHeader,
  endFrame,
  FrameSplitter,
} from '@khlong/kafka-protocol'

interface Waiting {
  readonly apiKey: number
  readonly version: number
  readonly resolve: (reader: Reader) => void
}

/** A bare connection that sends requests of any version, and pipelines them. */
export class Wire {
  readonly socket: Socket
  readonly closed: Promise<void>
  readonly #waiting: Waiting[] = []

  private constructor(socket: Socket) {
    this.socket = socket
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()))
    const splitter = new FrameSplitter({ bytesMax: 200_000_000 })
    socket.on('error', () => {})
    socket.on('data', (piece: Buffer) => {
      splitter.push(piece)
      while (splitter.nextLength !== undefined) {
        const reader = new Reader(splitter.take())
        reader.int32()
        const { apiKey, version, resolve } = this.#waiting.shift()!
        decodeResponseHeaderRest(reader, apiKey, version)
        resolve(reader)
      }
    })
  }

  static async open(address: string): Promise<Wire> {
    const [host = '', port = ''] = address.split(':')
    const socket = connect(Number(port), host)
    await new Promise((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', reject)
    })
    return new Wire(socket)
  }

  /** Sends a request; `answerVersion` is the one that the response is read in. */
  send(
    apiKey: number,
    version: number,
    body: (writer: Writer) => void,
    answerVersion: number = version,
  ): Promise<Reader> {
    const writer = new Writer()
    const start = beginFrame(writer)
    const header = { apiKey, apiVersion: version, correlationId: 7, clientId: 'wire' }
    encodeRequestHeader(writer, header)
    body(writer)
    endFrame(writer, start)
    return new Promise((resolve) => {
      this.#waiting.push({ apiKey, version: answerVersion, resolve })
      this.socket.write(writer.copy())
    })
  }

  close(): void {
    this.socket.destroy()
  }
}
