import {
  type Cut,
  CutFolder,
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
import { RetainedSources } from '../access/retained-sources.ts'
import { MqttError } from '../errors.ts'
import { mqttFormats } from '../formats.ts'
import { diskFolder } from '../journal/folder.ts'
import { Journal } from '../journal/journal.ts'
import { Recovery } from '../journal/recovery.ts'
import { rewriteSegment } from '../journal/rewrite-segment.ts'
import { SegmentLog } from '../journal/segment-log.ts'
import type { ResolvedListener } from '../listener-options.ts'
import { type MqttOptions, type ResolvedMqttOptions, resolveMqttOptions } from '../options.ts'
import { Reason } from '../protocol/reason.ts'
import { BrokerState } from '../state/broker-state.ts'
import { type JournalPort, noJournal } from '../state/journal-port.ts'
import { AccessControl, type Reloaded } from './access-control.ts'
import { type BrokerDescription, describeState } from './broker-description.ts'
import { brokerMetrics } from './broker-metrics.ts'
import type { Connection } from './connection.ts'
import type { ConnectionHost } from './connection-host.ts'
import { Doors } from './doors.ts'
import { Intake } from './intake.ts'
import { RefusalLog } from './refusal-log.ts'
import { Strangers } from './strangers.ts'
import { clientsTopic, eventsTopic, SystemTopics } from './system-topics.ts'

/** Publishers are not read while more than this waits for the disk. */
const journalBehindBytes = 16 * 1_048_576
const sweepMs = 1_000
const describeMs = 2_000

/**
 * An MQTT broker (3.1, 3.1.1 and 5) over TCP, TLS and WebSocket that stands for Eclipse Mosquitto.
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
  readonly #resolve: () => ResolvedMqttOptions
  readonly #waiting = new Set<Connection>()
  readonly #intake = new Intake()
  readonly #metrics: MetricsRegistry
  #dirty: Connection[] = []
  #folder: DataFolder | undefined
  #log: SegmentLog | undefined
  #state: BrokerState | undefined
  #system: SystemTopics | undefined
  #access: AccessControl | undefined
  #doors: Doors | undefined
  #refusals: RefusalLog | undefined
  #opening: Promise<void> | undefined
  #timer: TimerHandle | undefined
  #startedMs = 0
  #describedMs = 0
  #systemMs = 0

  /** @throws SettingsError where an option is unknown, not supported yet, or wrong. */
  constructor(options: MqttOptions, context: PartContext = {}) {
    super(context)
    this.#resolve = () => resolveMqttOptions(options)
    this.#options = this.#resolve()
    this.#metrics = brokerMetrics(
      () => this.#state,
      () => this.#log,
      () => this.#access,
      () => (this.clock.nowMs() - this.#startedMs) / 1_000,
    )
  }

  /** `mqtt`, `websocket`, `mqtts`, `internal`…, each once it is open. */
  get addresses(): Readonly<Record<string, string>> {
    return this.#doors?.addresses ?? {}
  }

  /** Opens the public listeners of a broker with `hold: true`; called again, it waits for the same. */
  async openPublicListeners(): Promise<void> {
    if (!this.#doors) throw new MqttError('MQTT_NOT_STARTED', 'start the broker first')
    this.#opening ??= this.#doors.open('public')
    try {
      await this.#opening
    } catch (error) {
      this.#opening = undefined
      throw error
    }
  }

  /**
   * Reads users, rules and certificates again, as Mosquitto does on SIGHUP; they are also read when
   * their files change. Whoever may not be connected any more is disconnected before this resolves.
   * Where a file is broken nothing changes.
   *
   * @throws SettingsError `SETTINGS_INVALID` with file and line
   */
  async reload(): Promise<void> {
    if (!this.#access) throw new MqttError('MQTT_NOT_STARTED', 'start the broker first')
    await this.#access.reload()
  }

  /**
   * Takes no message of the public listeners' clients until {@link freePublishers}: they are not
   * acknowledged, and whoever sends on is not read. Nothing is lost, and the pipeline's own clients go on.
   */
  async holdPublishers(reason: string): Promise<void> {
    this.#intake.hold(reason)
  }
  async freePublishers(): Promise<void> {
    this.#intake.free()
  }

  /** Who is connected, what waits, and who wants what; at most `limit` of each. */
  describe(limit = 1_000): BrokerDescription {
    return describeState(this.#state, this.#refusals?.latest ?? [], limit)
  }

  vitals(): Vitals {
    const state = this.#state
    const counters = state?.counters
    const queued = state?.delivery.queuedCount ?? 0
    const full = state ? [...state.sessions.values()].filter((one) => one.waiters.size > 0) : []
    const hold = this.#log?.isDiskFull
      ? 'the disk is full; publishers wait'
      : this.#intake.reason !== undefined
        ? `${this.#intake.reason}; publishers wait`
        : full.length > 0
          ? `publishers wait for the full queue of ${full[0]!.clientId}`
          : undefined
    const problem = this.#access?.problem
    const note = hold ?? (problem && `old rules stay in force: ${problem}`)
    return {
      recordsIn: counters?.publishReceived ?? 0,
      recordsOut: counters?.publishSent ?? 0,
      lag: queued,
      facts: {
        clients: state?.connectedCount ?? 0,
        queued,
        retained: state?.retained.count ?? 0,
        ...(counters && counters.publishDropped > 0 ? { dropped: counters.publishDropped } : {}),
        ...(counters && counters.loginsRefused > 0 ? { refused: counters.loginsRefused } : {}),
        ...(counters && counters.publishDenied > 0 ? { denied: counters.publishDenied } : {}),
      },
      items: [...this.#listenerItems(hold !== undefined, note), ...this.#topicItems()],
    }
  }

  metrics(): string {
    return this.#metrics.render()
  }

  async cut(into: string): Promise<Cut> {
    // With `persistence: false` there is nothing that outlives the process.
    if (!this.#folder || !this.#log) return { formats: mqttFormats, files: [] }
    const cut = new CutFolder(this.#folder.path, into)
    this.#log.cut(cut)
    return cut.done(mqttFormats)
  }

  protected async onStart(): Promise<void> {
    this.#startedMs = this.clock.nowMs()
    const journal = await this.#recover()
    const state = this.#state!
    this.#system = new SystemTopics(state, this.#startedMs)
    this.#refusals = new RefusalLog(this.logger)
    const access = await this.#openAccess(state)
    const strangers = new Strangers()
    this.#doors = new Doors({
      listeners: this.#options.listeners,
      messageBytesMax: this.#options.max_packet_size + 65_536,
      access,
      counters: state.counters,
      strangers,
      logger: this.logger,
      makeHost: (listener) => this.#newHost(listener, access, strangers, state, journal),
    })
    await this.#doors.open('internal')
    if (!this.#options.hold) await this.openPublicListeners()
    this.#tick()
  }

  protected async onStop(deadlineMs: number): Promise<void> {
    if (this.#timer) this.clock.clearTimer(this.#timer)
    this.#timer = undefined
    await this.#opening?.catch(() => {})
    this.#opening = undefined
    this.#access?.close()
    // Wills are published as the clients go, and kept for persistent sessions.
    await this.#doors?.close(Reason.serverShuttingDown, deadlineMs)
    try {
      await this.#log?.close()
    } finally {
      this.#log = undefined
      this.#state = undefined
      this.#doors = undefined
      this.#access = undefined
      this.#waiting.clear()
      await this.#folder?.release()
      this.#folder = undefined
    }
  }

  #listenerItems(isHeld: boolean, note: string | undefined): VitalItem[] {
    const counters = this.#state?.counters
    return Object.entries(this.addresses).map(([name, address]) => ({
      kind: 'listener',
      name: `${name} ${address}`,
      state: isHeld ? 'paused' : 'running',
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

  async #openAccess(state: BrokerState): Promise<AccessControl> {
    const { setAside, check_retain_source: checksSources } = this.#options
    if (setAside.length > 0)
      this.logger.info({ keys: setAside }, 'settings of Mosquitto that mean nothing here')
    const access = new AccessControl({
      options: this.#options,
      resolve: this.#resolve,
      clock: this.clock,
      logger: this.logger,
      onReload: (reloaded) => this.#review(access, state, reloaded),
    })
    await access.open()
    this.#access = access
    if (checksSources)
      state.retainedSources = new RetainedSources((identity, clientId) =>
        access.accessOf(identity, clientId),
      )
    allowAll(access, state)
    return access
  }

  /** New rules are in force: for those who are connected, and for those who may come back. */
  #review(access: AccessControl, state: BrokerState, reloaded: Reloaded): void {
    state.retainedSources?.forget()
    allowAll(access, state)
    this.#doors?.review(reloaded)
  }

  #newHost(
    listener: () => ResolvedListener,
    access: AccessControl,
    strangers: Strangers,
    state: BrokerState,
    journal: JournalPort,
  ): ConnectionHost {
    return {
      options: this.#options,
      get listener() {
        return listener()
      },
      state,
      journal,
      clock: this.clock,
      logger: this.logger,
      intake: this.#intake,
      waiting: this.#waiting,
      strangers,
      isJournalBehind: () => (this.#log?.pendingBytes ?? 0) > journalBehindBytes,
      newClientId: () => listener().auto_id_prefix + systemRandom.bytes(16).toString('hex'),
      login: (request) => access.login(request),
      isStillWelcome: (verdict) => access.isStillWelcome(verdict, listener()),
      accessOf: (identity, clientId) => {
        // Who comes back has the rights that are remembered; reloads keep them up to date.
        const session = state.sessions.get(clientId)
        const isSame =
          session?.identity?.realm === identity.realm &&
          session.identity.username === identity.username
        return (isSame ? session.access : undefined) ?? access.accessOf(identity, clientId)
      },
      refused: (refusal) => {
        const nowMs = this.clock.nowMs()
        const said = this.#refusals?.add(refusal, listener().name, nowMs)
        const event = said && JSON.stringify({ event: 'login refused', ...said })
        if (event) this.#system?.say(eventsTopic, event, nowMs)
      },
      flushSoon: (connection) => {
        if (this.#dirty.push(connection) === 1) process.nextTick(() => this.#flush())
      },
      // Who has just subscribed to the list of clients should not wait for the next turn.
      subscribed: () => {
        if (this.#describedMs === 0) setImmediate(() => this.#describe())
      },
    }
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
    for (const connection of this.#doors?.connections() ?? []) connection.sweep(monotonicMs)
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

/** What each session's client may do by the rules of now, also where it is not there. */
function allowAll(access: AccessControl, state: BrokerState): void {
  for (const session of state.sessions.values()) {
    const { identity, clientId } = session
    // Of one whose listener is gone it is decided when it comes back.
    if (identity && access.rules.knows(identity))
      state.allow(session, access.accessOf(identity, clientId))
  }
}
