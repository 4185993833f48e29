import type { Socket } from 'node:net'
import {
  type DataFolder,
  type MetricsRegistry,
  openDataFolder,
  PartBase,
  type PartContext,
  systemRandom,
  type TimerHandle,
  type VitalItem,
  type Vitals,
} from '@khlong/core'
import type { WebSocket } from 'ws'
import { MqttError } from '../errors.ts'
import { diskFolder } from '../journal/folder.ts'
import { Journal } from '../journal/journal.ts'
import { Recovery } from '../journal/recovery.ts'
import { rewriteSegment } from '../journal/rewrite-segment.ts'
import { SegmentLog } from '../journal/segment-log.ts'
import { type MqttOptions, type ResolvedMqttOptions, resolveMqttOptions } from '../options.ts'
import { Reason } from '../protocol/reason.ts'
import { BrokerState } from '../state/broker-state.ts'
import { type JournalPort, noJournal } from '../state/journal-port.ts'
import { type BrokerDescription, describeState } from './broker-description.ts'
import { brokerMetrics } from './broker-metrics.ts'
import { Connection } from './connection.ts'
import type { ConnectionHost } from './connection-host.ts'
import { type Listener, listenMqtt, listenWebSocket } from './listeners.ts'
import { clientsTopic, SystemTopics } from './system-topics.ts'
import {
  type Transport,
  type TransportEvents,
  tcpTransport,
  webSocketTransport,
} from './transport.ts'

/** Publishers are not read while more than this waits for the disk. */
const journalBehindBytes = 16 * 1_048_576
const sweepMs = 1_000
const describeMs = 2_000

type ListenerName = 'mqtt' | 'websocket' | 'internal'

/**
 * An MQTT broker (3.1, 3.1.1 and 5) over TCP and WebSocket that stands for Eclipse Mosquitto.
 *
 * PUBACK and PUBREC are sent when a message is durable in the queue of every persistent session
 * that it matches, and in the retained store where it is retained.
 *
 * @example
 * const broker = new MqttBroker({ listen: 1883, data: './data/mqtt' })
 * await broker.start()
 */
export class MqttBroker extends PartBase {
  readonly name = 'mqtt'
  readonly #options: ResolvedMqttOptions
  readonly #listeners = new Map<ListenerName, Listener>()
  readonly #connections = new Set<Connection>()
  readonly #waiting = new Set<Connection>()
  readonly #metrics: MetricsRegistry
  #dirty: Connection[] = []
  #folder: DataFolder | undefined
  #log: SegmentLog | undefined
  #state: BrokerState | undefined
  #system: SystemTopics | undefined
  #host: ConnectionHost | undefined
  #opening: Promise<void> | undefined
  #timer: TimerHandle | undefined
  #startedMs = 0
  #describedMs = 0
  #systemMs = 0

  /** @throws SettingsError where an option is unknown, not supported yet, or wrong. */
  constructor(options: MqttOptions, context: PartContext = {}) {
    super(context)
    this.#options = resolveMqttOptions(options)
    this.#metrics = brokerMetrics(
      () => this.#state,
      () => this.#log,
      () => (this.clock.nowMs() - this.#startedMs) / 1_000,
    )
  }

  /** `mqtt`, `websocket` and `internal`, each once it is open. */
  get addresses(): Readonly<Record<string, string>> {
    const addresses: Record<string, string> = {}
    for (const [name, listener] of this.#listeners) addresses[name] = listener.address
    return addresses
  }

  /** Opens the public listeners of a broker with `hold: true`; called again, it waits for the same. */
  async openPublicListeners(): Promise<void> {
    const { listenAddress, websocketAddress } = this.#options
    if (!this.#host) throw new MqttError('MQTT_NOT_STARTED', 'start the broker first')
    this.#opening ??= (async () => {
      await this.#open('mqtt', () =>
        listenMqtt(listenAddress, (socket) => this.#tcp(socket, 'mqtt')),
      )
      if (websocketAddress)
        await this.#open('websocket', () =>
          listenWebSocket(websocketAddress, this.#options.max_packet_size + 65_536, (ws, socket) =>
            this.#webSocket(ws, socket),
          ),
        )
    })()
    try {
      await this.#opening
    } catch (error) {
      this.#opening = undefined
      throw error
    }
  }

  /** Who is connected, what waits, and who wants what; at most `limit` of each. */
  describe(limit = 1_000): BrokerDescription {
    return describeState(this.#state, limit)
  }

  vitals(): Vitals {
    const state = this.#state
    const counters = state?.counters
    const queued = state?.delivery.queuedCount ?? 0
    const full = state ? [...state.sessions.values()].filter((one) => one.waiters.size > 0) : []
    const note = this.#log?.isDiskFull
      ? 'the disk is full; publishers wait'
      : full.length > 0
        ? `publishers wait for the full queue of ${full[0]!.clientId}`
        : undefined
    return {
      recordsIn: counters?.publishReceived ?? 0,
      recordsOut: counters?.publishSent ?? 0,
      lag: queued,
      facts: {
        clients: state?.connectedCount ?? 0,
        queued,
        retained: state?.retained.count ?? 0,
        ...(counters && counters.publishDropped > 0 ? { dropped: counters.publishDropped } : {}),
      },
      items: [...this.#listenerItems(note), ...this.#topicItems()],
    }
  }

  metrics(): string {
    return this.#metrics.render()
  }

  protected async onStart(): Promise<void> {
    this.#startedMs = this.clock.nowMs()
    const journal = await this.#recover()
    const state = this.#state!
    this.#system = new SystemTopics(state, this.#startedMs)
    this.#host = this.#newHost(state, journal)
    const { internalAddress } = this.#options
    if (internalAddress)
      await this.#open('internal', () =>
        listenMqtt(internalAddress, (socket) => this.#tcp(socket, 'internal')),
      )
    if (!this.#options.hold) await this.openPublicListeners()
    this.#tick()
  }

  protected async onStop(deadlineMs: number): Promise<void> {
    if (this.#timer) this.clock.clearTimer(this.#timer)
    this.#timer = undefined
    await this.#opening?.catch(() => {})
    this.#opening = undefined
    const listeners = [...this.#listeners.values()]
    this.#listeners.clear()
    // Wills are published as the clients go, and kept for persistent sessions.
    for (const connection of this.#connections) connection.close(Reason.serverShuttingDown)
    await Promise.all(listeners.map((listener) => listener.close(deadlineMs)))
    this.#connections.clear()
    try {
      await this.#log?.close()
    } finally {
      this.#log = undefined
      this.#state = undefined
      this.#host = undefined
      this.#waiting.clear()
      await this.#folder?.release()
      this.#folder = undefined
    }
  }

  #listenerItems(note: string | undefined): VitalItem[] {
    const counters = this.#state?.counters
    return [...this.#listeners].map(([name, { address }]) => ({
      kind: 'listener',
      name: `${name} ${address}`,
      state: note ? 'paused' : 'running',
      recordsIn: counters?.publishReceived ?? 0,
      recordsOut: counters?.publishSent ?? 0,
      ...(note ? { note } : {}),
    }))
  }

  #topicItems(): VitalItem[] {
    const state = this.#state
    if (!state) return []
    return [...state.topics.values()].map(({ topic, recordsIn, recordsOut }) => ({
      kind: 'topic',
      name: topic,
      state: 'running',
      recordsIn,
      recordsOut,
      to: state.subscriptions
        .match(topic)
        .targets.slice(0, 8)
        .map(({ session }) => session.clientId),
    }))
  }

  async #recover(): Promise<JournalPort> {
    if (!this.#options.persistence) {
      this.#state = new BrokerState(this.#options, noJournal)
      return noJournal
    }
    this.#folder = await openDataFolder(this.#options.data!)
    const journal: Journal = new Journal((message) => state.retained.get(message.topic) === message)
    const state = new BrokerState(this.#options, journal)
    const recovery = new Recovery()
    const log = await SegmentLog.open(
      {
        folder: diskFolder(this.#folder.path),
        segmentBytes: this.#options.journal_segment_bytes,
        clock: this.clock,
        logger: this.logger,
        beforeCommit: () => journal.writeProgress(),
        onDurable: (durable) => this.#onDurable(durable),
        rewrite: (segment) => rewriteSegment(segment, state, journal),
        onFailure: (error) => this.fail(error),
      },
      (type, body, segment, recordBytes) => recovery.apply(type, body, segment, recordBytes),
    )
    this.#log = log
    journal.attach(log)
    recovery.finish(state, this.#startedMs)
    this.#state = state
    const { sessions, retained, delivery } = state
    this.logger.info(
      { sessions: sessions.size, queued: delivery.queuedCount, retained: retained.count },
      'journal read',
    )
    return journal
  }

  #newHost(state: BrokerState, journal: JournalPort): ConnectionHost {
    return {
      options: this.#options,
      state,
      journal,
      clock: this.clock,
      logger: this.logger,
      waiting: this.#waiting,
      isJournalBehind: () => (this.#log?.pendingBytes ?? 0) > journalBehindBytes,
      newClientId: () => this.#options.auto_id_prefix + systemRandom.bytes(16).toString('hex'),
      flushSoon: (connection) => {
        if (this.#dirty.push(connection) === 1) process.nextTick(() => this.#flush())
      },
      // Who has just subscribed to the list of clients should not wait for the next turn.
      subscribed: () => {
        if (this.#describedMs === 0) setImmediate(() => this.#describe())
      },
      closed: (connection) => this.#connections.delete(connection),
    }
  }

  async #open(name: ListenerName, listen: () => Promise<Listener>): Promise<void> {
    const listener = await listen()
    this.#listeners.set(name, listener)
    this.logger.info({ listener: name, address: listener.address }, 'listening')
  }

  #tcp(socket: Socket, listener: ListenerName): void {
    const connect = this.#accept(listener, (events) => tcpTransport(socket, events))
    if (!connect) socket.destroy()
  }

  #webSocket(webSocket: WebSocket, socket: Socket): void {
    const connect = this.#accept('websocket', (events) =>
      webSocketTransport(webSocket, socket, events),
    )
    if (!connect) webSocket.terminate()
  }

  #accept(listener: ListenerName, open: (events: TransportEvents) => Transport): boolean {
    const host = this.#host
    const { max_connections: connectionsMax } = this.#options
    if (!host) return false
    const isFull = connectionsMax >= 0 && this.#connections.size >= connectionsMax
    if (isFull && listener !== 'internal') {
      host.state.counters.connectionsRefused++
      return false
    }
    host.state.counters.connectionsAccepted++
    let connection: Connection | undefined
    const transport = open({
      onData: (chunk) => connection?.onData(chunk),
      onDrain: () => connection?.onDrain(),
      onClose: () => connection?.onClose(),
    })
    connection = new Connection(host, transport, listener)
    this.#connections.add(connection)
    return true
  }

  #flush(): void {
    const dirty = this.#dirty
    this.#dirty = []
    for (const connection of dirty) connection.flush()
  }

  #onDurable(durable: number): void {
    this.#state?.delivery.onDurable(durable)
    for (const connection of this.#waiting) connection.onDurable(durable)
  }

  #tick(): void {
    const nowMs = this.clock.nowMs()
    const monotonicMs = this.clock.monotonicMs()
    for (const connection of this.#connections) connection.sweep(monotonicMs)
    this.#state?.tick(nowMs)
    const { sys_interval: systemSeconds } = this.#options
    if (systemSeconds > 0 && nowMs - this.#systemMs >= systemSeconds * 1_000) {
      this.#systemMs = nowMs
      this.#system?.update(nowMs)
    }
    if (nowMs - this.#describedMs >= describeMs) this.#describe()
    this.#timer = this.clock.setTimer(() => this.#tick(), sweepMs)
  }

  #describe(): void {
    const nowMs = this.clock.nowMs()
    const isWanted = this.#state?.subscriptions.hasMatch(clientsTopic) ?? false
    this.#describedMs = isWanted ? nowMs : 0
    if (isWanted) this.#system?.say(clientsTopic, JSON.stringify(this.describe()), nowMs)
  }
}
