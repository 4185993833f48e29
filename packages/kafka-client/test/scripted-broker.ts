import { createServer, type Server, type Socket } from 'node:net'
import { Reader, Writer } from '@khlong/core/bytes'
import {
  ApiKey,
  allApis,
  apiInfo,
  beginFrame,
  decodeRequestHeader,
  encodeResponseHeader,
  endFrame,
  FrameSplitter,
  loadCodec,
  type MessageCodec,
} from '@khlong/kafka-protocol'
import type { MetadataResponseInput } from '@khlong/kafka-protocol/messages/metadata'

/** Answers a request; undefined answers nothing, and `close` ends the connection. */
export type Answer = (
  request: never,
  version: number,
) => object | undefined | 'close' | Promise<object | undefined | 'close'>

/** A broker that says what a test tells it to say, with one topic `t` of one partition. */
export class ScriptedBroker {
  readonly answers: Map<number, Answer> = new Map()
  /** Keys of the requests that came, in order. */
  readonly requests: number[] = []
  /** How many pieces the requests came in. */
  chunkCount: number = 0
  advertisedHost: string = '127.0.0.1'
  readonly #sockets = new Set<Socket>()
  readonly #codecs = new Map<number, MessageCodec>()
  readonly #server: Server
  #nextProducerId = 7n
  port: number = 0

  constructor() {
    this.#server = createServer((socket) => this.#serve(socket))
    this.answers.set(ApiKey.apiVersions, () => ({ apiKeys: this.ranges() }))
    this.answers.set(ApiKey.metadata, () => this.metadata())
    this.answers.set(ApiKey.initProducerId, () => ({
      producerId: this.#nextProducerId++,
      producerEpoch: 0,
    }))
  }

  async start(t: { after(cleanUp: () => void): void }): Promise<this> {
    for (const { key } of allApis()) this.#codecs.set(key, await loadCodec(key))
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    this.port = (this.#server.address() as { port: number }).port
    t.after(() => {
      this.disconnect()
      this.#server.close()
    })
    return this
  }

  get bootstrapServers(): string {
    return `127.0.0.1:${this.port}`
  }

  ranges(): { apiKey: number; minVersion: number; maxVersion: number }[] {
    return allApis().map((api) => ({
      apiKey: api.key,
      minVersion: api.advertisedMin,
      maxVersion: api.advertisedMax,
    }))
  }

  metadata(): MetadataResponseInput {
    return {
      clusterId: 'scripted',
      controllerId: 1,
      brokers: [{ nodeId: 1, host: this.advertisedHost, port: this.port }],
      topics: [
        {
          name: 't',
          partitions: [
            { partitionIndex: 0, leaderId: 1, leaderEpoch: 1, replicaNodes: [1], isrNodes: [1] },
          ],
        },
      ],
    }
  }

  /** Cuts every connection. */
  disconnect(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => this.#sockets.delete(socket))
    const splitter = new FrameSplitter({ bytesMax: 10_000_000 })
    let last: Promise<void> = Promise.resolve()
    socket.on('data', (bytes) => {
      this.chunkCount++
      splitter.push(bytes)
      while (splitter.nextLength !== undefined) {
        const frame = splitter.take()
        last = last.then(() => this.#answer(socket, frame))
      }
    })
  }

  async #answer(socket: Socket, frame: Buffer): Promise<void> {
    const reader = new Reader(frame)
    const { apiKey, apiVersion, correlationId } = decodeRequestHeader(reader)
    this.requests.push(apiKey)
    const codec = this.#codecs.get(apiKey)!
    const request = codec.decodeRequest(reader, apiVersion)
    reader.finish()
    const response = await this.answers.get(apiKey)?.(request as never, apiVersion)
    if (response === 'close') socket.destroy()
    if (response === undefined || response === 'close') return
    const writer = new Writer()
    const start = beginFrame(writer)
    encodeResponseHeader(writer, apiKey, apiVersion, correlationId)
    // As a broker that does not know a version of ApiVersions: its answer has version 0.
    const isRefusal = apiKey === ApiKey.apiVersions && 'errorCode' in response
    codec.encodeResponse(writer, response, isRefusal ? 0 : apiVersion)
    endFrame(writer, start)
    socket.write(writer.take())
  }
}

export const nameOf = (key: number): string => apiInfo(key)!.name
