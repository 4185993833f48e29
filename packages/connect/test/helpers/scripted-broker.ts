import { once } from 'node:events'
import net from 'node:net'
import type { TestContext } from 'node:test'
import mqtt, { type IConnectPacket, type Packet } from 'mqtt-packet'

/** One connection to the scripted broker: what came is read in order, what is sent is up to the test. */
export class BrokerConnection {
  readonly connect: IConnectPacket
  readonly #socket: net.Socket
  readonly #packets: Packet[] = []
  readonly #wakers: (() => void)[] = []

  constructor(socket: net.Socket, connect: IConnectPacket) {
    this.#socket = socket
    this.connect = connect
  }

  receive(packet: Packet): void {
    this.#packets.push(packet)
    this.#wakers.shift()?.()
  }

  /** The next packet of this kind; others that came before it are passed over, pings always. */
  async next<Command extends Packet['cmd']>(
    command: Command,
  ): Promise<Extract<Packet, { cmd: Command }>> {
    for (;;) {
      const packet = this.#packets.shift()
      if (packet?.cmd === command) return packet as Extract<Packet, { cmd: Command }>
      if (!packet)
        await new Promise<void>((resolve) => {
          this.#wakers.push(resolve)
        })
    }
  }

  /** Packets that came and nobody asked for yet. */
  get waiting(): readonly Packet[] {
    return this.#packets
  }

  send(...packets: Packet[]): void {
    const { protocolVersion = 4 } = this.connect
    this.#socket.write(
      Buffer.concat(packets.map((packet) => mqtt.generate(packet, { protocolVersion }))),
    )
  }

  publish(messageId: number, payload: string, options: Record<string, unknown> = {}): void {
    this.send({
      cmd: 'publish',
      topic: 'iot-frames',
      payload: Buffer.from(payload),
      qos: 1,
      dup: false,
      retain: false,
      messageId,
      ...options,
    })
  }

  /** Ends the connection as a network does: without a word. */
  cut(): void {
    this.#socket.destroy()
  }

  /** Resolved when the connection is gone. */
  async closed(): Promise<void> {
    if (!this.#socket.closed) await once(this.#socket, 'close')
  }
}

/** An MQTT broker that does what a test tells it to. */
export class ScriptedBroker {
  readonly url: string
  readonly #accepted: BrokerConnection[] = []
  readonly #wakers: (() => void)[] = []

  private constructor(port: number) {
    this.url = `tcp://127.0.0.1:${port}`
  }

  static async start(t: TestContext): Promise<ScriptedBroker> {
    const sockets = new Set<net.Socket>()
    let broker: ScriptedBroker | undefined
    const server = net.createServer((socket) => {
      sockets.add(socket)
      socket.on('error', () => {})
      let connection: BrokerConnection | undefined
      const parser = mqtt.parser({ protocolVersion: 4 })
      parser.on('packet', (packet) => {
        if (packet.cmd === 'connect') {
          connection = new BrokerConnection(socket, packet)
          broker!.#accepted.push(connection)
          broker!.#wakers.shift()?.()
        } else connection!.receive(packet)
      })
      socket.on('data', (bytes) => parser.parse(bytes as Buffer))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.after(() => {
      for (const socket of sockets) socket.destroy()
      server.close()
    })
    broker = new ScriptedBroker((server.address() as net.AddressInfo).port)
    return broker
  }

  /** The next connection, before it is answered. */
  async connection(): Promise<BrokerConnection> {
    for (;;) {
      const connection = this.#accepted.shift()
      if (connection) return connection
      await new Promise<void>((resolve) => {
        this.#wakers.push(resolve)
      })
    }
  }

  /** The next connection, accepted, and subscribed where the client asks for that. */
  async accept(options: { sessionPresent?: boolean } = {}): Promise<BrokerConnection> {
    const connection = await this.connection()
    const { sessionPresent = false } = options
    connection.send({ cmd: 'connack', reasonCode: 0, returnCode: 0, sessionPresent })
    return connection
  }

  async acceptSubscription(connection: BrokerConnection): Promise<readonly string[]> {
    const { subscriptions, messageId = 0 } = await connection.next('subscribe')
    connection.send({ cmd: 'suback', messageId, granted: subscriptions.map(({ qos }) => qos) })
    return subscriptions.map(({ topic }) => topic)
  }
}
