import { once } from 'node:events'
import net from 'node:net'
import type { PartContext } from '@khlong/core'
import { Writer } from '@khlong/core/bytes'
import { FakeClock, temporaryFolder } from '@khlong/core/testing'
import { generate, parser as newParser, type Packet } from 'mqtt-packet'
import { MqttBroker, type MqttOptions } from '../src/index.ts'
import { encodePublish, type OutgoingPublish } from '../src/protocol/publish.ts'
import { BrokerState, type Publication, type StateLimits } from '../src/state/broker-state.ts'
import { type JournalPort, noJournal } from '../src/state/journal-port.ts'
import type { ClientPort, Delivered, Session } from '../src/state/session.ts'

export interface Cleaner {
  after(cleanUp: () => Promise<void>): void
}

/** A broker on free ports with a folder of its own, stopped when the test ends. */
export async function startBroker(
  t: Cleaner,
  options: MqttOptions = {},
  context: PartContext = {},
): Promise<MqttBroker> {
  const data = options.data ?? (await temporaryFolder(t))
  const broker = new MqttBroker({ listen: 0, websocket: 0, data, ...options }, context)
  t.after(() => broker.stop({ deadlineMs: 100 }))
  await broker.start()
  return broker
}

/** The port of one of the broker's listeners. */
export function portOf(broker: MqttBroker, name = 'mqtt'): number {
  return Number(broker.addresses[name]?.split(':').at(-1))
}

type Received = Packet & Record<string, unknown>

/** A client that says exactly what a test wants it to say. */
export class RawClient {
  readonly socket: net.Socket
  readonly #packets: Received[] = []
  #arrived: (() => void) | undefined
  readonly #version: number
  isClosed = false

  constructor(
    port: number,
    version = 4,
    socket: net.Socket = net.connect({ port, host: '127.0.0.1', noDelay: true }),
  ) {
    this.#version = version
    this.socket = socket
    const parser = newParser({ protocolVersion: version })
    this.socket.on('data', (chunk) => parser.parse(chunk as Buffer))
    this.socket.on('error', () => {})
    this.socket.on('close', () => {
      this.isClosed = true
      this.#arrived?.()
    })
    parser.on('packet', (packet) => {
      this.#packets.push(packet as Received)
      this.#arrived?.()
    })
  }

  send(packet: Packet | Record<string, unknown>): void {
    this.socket.write(generate(packet as Packet, { protocolVersion: this.#version }))
  }

  /** The next packet; undefined where the connection ends first. */
  async next(): Promise<Received | undefined> {
    while (this.#packets.length === 0 && !this.isClosed)
      await new Promise<void>((resolve) => {
        this.#arrived = resolve
      })
    return this.#packets.shift()
  }

  /** Connects and gives CONNACK. */
  async connect(clientId: string, fields: Record<string, unknown> = {}): Promise<Received> {
    const packet = { cmd: 'connect', clientId, clean: true, keepalive: 0, ...fields }
    this.send({ ...packet, protocolVersion: this.#version })
    return (await this.next())!
  }

  async subscribe(
    topic: string,
    qos = 1,
    fields: Record<string, unknown> = {},
    properties?: Record<string, unknown>,
  ): Promise<Received> {
    const subscription = { topic, qos, ...fields }
    this.send({ cmd: 'subscribe', messageId: 9, subscriptions: [subscription], properties })
    return (await this.next())!
  }

  publish(topic: string, payload: string | Buffer, fields: Record<string, unknown> = {}): void {
    this.send({ cmd: 'publish', topic, payload, qos: 0, dup: false, retain: false, ...fields })
  }

  /** Comes back when the broker has taken everything that was sent before. */
  async settled(): Promise<void> {
    this.send({ cmd: 'pingreq' })
    const answer = await this.next()
    if (answer?.cmd !== 'pingresp') throw new Error(`expected PINGRESP, found ${answer?.cmd}`)
  }

  async end(): Promise<void> {
    if (this.isClosed) return
    this.socket.destroy()
    await once(this.socket, 'close')
  }
}

/** A connected raw client that ends with the test. */
export async function rawClient(
  t: Cleaner,
  broker: MqttBroker,
  clientId: string,
  options: { version?: number; connect?: Record<string, unknown> } = {},
): Promise<RawClient> {
  const client = new RawClient(portOf(broker), options.version ?? 4)
  t.after(() => client.end())
  await client.connect(clientId, options.connect)
  return client
}

/** A client of the state machine that notes what it gets. */
export class FakeClient implements ClientPort {
  readonly version = 5
  isCongested = false
  readonly got: Delivered[] = []
  readonly releases: number[] = []
  closedWith: number | undefined
  onClose: () => void = () => {}

  publish(delivered: Delivered): boolean {
    this.got.push(delivered)
    return true
  }
  release(packetId: number): void {
    this.releases.push(packetId)
  }
  close(reason: number): void {
    this.closedWith = reason
    this.onClose()
  }
  describe(): never {
    throw new Error('not asked for in tests')
  }
  /** Payloads as text, in order. */
  get texts(): string[] {
    return this.got.map(({ message }) => message.payload.toString())
  }
}

const defaultLimits: StateLimits = {
  max_queued_bytes: 0,
  max_queued_messages: 0,
  when_queue_full: 'wait',
}

/** The state machine with a clock that stands still. */
export class Bench {
  readonly clock: FakeClock
  readonly state: BrokerState

  constructor(
    limits: Partial<StateLimits> = {},
    journal: JournalPort = noJournal,
    clock: FakeClock = new FakeClock(),
  ) {
    this.clock = clock
    this.state = new BrokerState({ ...defaultLimits, ...limits }, journal)
  }
  get nowMs(): number {
    return this.clock.nowMs()
  }
  connect(
    clientId: string,
    options: { expirySeconds?: number; isClean?: boolean; sendQuota?: number } = {},
  ): { client: FakeClient; session: Session; isPresent: boolean } {
    const attach = { isClean: false, expirySeconds: 0, sendQuota: 100, ...options }
    const { session, isPresent } = this.state.attach(clientId, attach, this.nowMs)
    const client = new FakeClient()
    this.state.connect(session, client, this.nowMs)
    return { client, session, isPresent }
  }
  subscribe(session: Session, filter: string, qos: 0 | 1 | 2 = 1): void {
    const share = /^\$share\/([^/]+)\/(.*)$/.exec(filter)
    const parsed = { filter: share?.[2] ?? filter, share: share?.[1] }
    const options = { qos, noLocal: false, retainAsPublished: false, subscriptionId: 0 }
    this.state.subscribe(session, filter, parsed, options)
  }
  publish(from: Session, topic: string, text: string, fields: Partial<Publication> = {}): number {
    return this.state.publish(publication(topic, text, fields), from, this.nowMs)
  }
}

export function publication(
  topic: string,
  text: string,
  fields: Partial<Publication> = {},
): Publication {
  const payload = Buffer.from(text)
  const none = Buffer.alloc(0)
  const base = { topic, payload, properties: none, retain: false, messageExpiry: -1 }
  return { ...base, qos: 1, packetId: 1, ...fields }
}

/** The bytes of a PUBLISH. */
export function publishPacket(fields: Partial<OutgoingPublish>, version: 4 | 5): Buffer {
  const writer = new Writer()
  const none = Buffer.alloc(0)
  const base = { topic: 't', payload: none, properties: none, messageExpiry: -1, qos: 0 as const }
  const flags = { isDuplicate: false, retain: false, packetId: 0, subscriptionIds: [] }
  encodePublish(writer, { ...base, ...flags, ...fields }, version)
  return writer.copy()
}
