import net from 'node:net'
import {
  generate,
  type IConnectPacket,
  type IPublishPacket,
  parser as newParser,
} from 'mqtt-packet'

interface Cleaner {
  after(cleanUp: () => Promise<void>): void
}

/** A broker that notes what it gets, and acknowledges when it is told to. */
export class FakeBroker {
  readonly got: IPublishPacket[] = []
  readonly connects: IConnectPacket[] = []
  /** Who has subscribed to a topic. */
  readonly subscriptions: Map<string, net.Socket> = new Map<string, net.Socket>()
  /** Ids of its own messages that were acknowledged. */
  readonly acknowledged: number[] = []
  readonly #server: net.Server
  readonly #sockets = new Set<net.Socket>()
  readonly #held: (() => void)[] = []
  #arrived: (() => void) | undefined
  isHolding = false

  private constructor() {
    this.#server = net.createServer({ noDelay: true }, (socket) => this.#serve(socket))
  }

  static async start(t: Cleaner): Promise<FakeBroker> {
    const broker = new FakeBroker()
    await new Promise<void>((resolve) => broker.#server.listen(0, '127.0.0.1', resolve))
    t.after(async () => {
      broker.cut()
      await new Promise((resolve) => broker.#server.close(resolve))
    })
    return broker
  }

  get url(): string {
    return `mqtt://127.0.0.1:${(this.#server.address() as net.AddressInfo).port}`
  }

  /** Comes back when `count` messages have come. */
  async messages(count: number): Promise<IPublishPacket[]> {
    while (this.got.length < count)
      await new Promise<void>((resolve) => {
        this.#arrived = resolve
      })
    return this.got
  }

  frames(): Record<string, unknown>[] {
    return this.got.map(({ payload }) => JSON.parse(String(payload)))
  }

  get clientIds(): string[] {
    return this.connects.map(({ clientId }) => clientId)
  }

  /** Sends a message to whoever has subscribed to its topic. */
  publish(topic: string, payload: string, messageId: number, dup = false): void {
    const subscriber = this.subscriptions.get(topic)
    if (!subscriber) throw new Error(`nobody has subscribed to ${topic}`)
    const message = { topic, payload, messageId, dup, qos: 1, retain: false } as const
    subscriber.write(generate({ cmd: 'publish', ...message }))
  }

  /** Breaks all connections. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
    this.subscriptions.clear()
    this.#held.length = 0
  }

  /** Sends the acknowledgements that were held back. */
  release(): void {
    this.isHolding = false
    for (const send of this.#held.splice(0)) send()
  }

  #serve(socket: net.Socket): void {
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket))
    socket.on('error', () => {})
    const parser = newParser({ protocolVersion: 4 })
    socket.on('data', (chunk) => parser.parse(chunk as Buffer))
    const answer = (cmd: 'puback' | 'pubrec' | 'pubcomp', messageId: number): void => {
      socket.write(generate({ cmd, messageId }))
    }
    parser.on('packet', (packet) => {
      if (packet.cmd === 'subscribe') {
        for (const { topic } of packet.subscriptions) this.subscriptions.set(topic, socket)
        const granted = packet.subscriptions.map(({ qos }) => qos)
        socket.write(generate({ cmd: 'suback', messageId: packet.messageId!, granted }))
      } else if (packet.cmd === 'puback') this.acknowledged.push(packet.messageId!)
      else if (packet.cmd === 'connect') {
        this.connects.push(packet)
        socket.write(generate({ cmd: 'connack', returnCode: 0, sessionPresent: false }))
      } else if (packet.cmd === 'pubrel') answer('pubcomp', packet.messageId!)
      else if (packet.cmd === 'publish') {
        this.got.push(packet)
        const send = (): void => {
          if (packet.qos === 1) answer('puback', packet.messageId!)
          if (packet.qos === 2) answer('pubrec', packet.messageId!)
        }
        if (this.isHolding) this.#held.push(send)
        else send()
        this.#arrived?.()
      }
    })
  }
}
