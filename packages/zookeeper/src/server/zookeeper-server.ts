import { createHmac, timingSafeEqual } from 'node:crypto'
import {
  type Cut,
  CutFolder,
  type DataFolder,
  formatListen,
  openDataFolder,
  PartBase,
  type PartContext,
  systemRandom,
  TcpServer,
  type TimerHandle,
  type Vitals,
} from '@khlong/core'
import { Reader, type Writer } from '@khlong/core/bytes'
import { zookeeperFormats } from '../formats.ts'
import {
  type ResolvedZooKeeperOptions,
  resolveZooKeeperOptions,
  type ZooKeeperServerOptions,
} from '../options.ts'
import { writeBuffer } from '../protocol/jute.ts'
import { readConnectRequest } from '../protocol/requests.ts'
import type { Session } from '../state/sessions.ts'
import { State } from '../state/state.ts'
import { Storage } from '../storage/storage.ts'
import { Connection, type ConnectionHost } from './connection.ts'
import { answerFourLetterWord, isFourLetterWord } from './four-letter-words.ts'
import { type Readings, registerMetrics } from './metrics.ts'
import { handleRequest } from './requests.ts'
import { Statistics } from './statistics.ts'

const noPassword = Buffer.alloc(16)

/**
 * A server of the ZooKeeper protocol that stands alone. A reply leaves only when everything that it
 * tells of is durable: all requests that come in while a flush is under way share the next one.
 *
 * @example
 * const server = new ZooKeeperServer({ listen: 0, data: './data/zookeeper' })
 * await server.start()
 * console.log(server.addresses.zookeeper)
 */
export class ZooKeeperServer extends PartBase {
  readonly name = 'zookeeper'
  readonly #options: ResolvedZooKeeperOptions
  readonly #statistics = new Statistics()
  readonly #connections = new Set<Connection>()
  readonly #connectionBySession = new Map<bigint, Connection>()
  readonly #connectionsByAddress = new Map<string, number>()
  #addresses: Record<string, string> = {}
  #port = 0
  #folder: DataFolder | undefined
  #storage: Storage | undefined
  #state: State | undefined
  #secret: Buffer = Buffer.alloc(0)
  #listener: TcpServer | undefined
  #timers: TimerHandle[] = []
  #startedMs = 0
  #lastTickMs = 0

  /** Connections with output that nothing was done about yet. */
  #withOutput = new Set<Connection>()
  #isCommitScheduled = false
  #committing: Promise<void> | undefined
  readonly #readings: Readings
  readonly #metrics

  constructor(options: ZooKeeperServerOptions = {}, context: PartContext = {}) {
    super(context)
    this.#options = resolveZooKeeperOptions(options)
    this.#readings = {
      statistics: this.#statistics,
      state: () => this.#state,
      connectionCount: () => this.#connections.size,
      uptimeMs: () => this.clock.monotonicMs() - this.#startedMs,
    }
    this.#metrics = registerMetrics(this.#readings)
  }

  get addresses(): Readonly<Record<string, string>> {
    return this.#addresses
  }

  vitals(): Vitals {
    const state = this.#state
    const watches = state ? state.dataWatches.count + state.childWatches.count : 0
    return {
      recordsIn: this.#statistics.packetsReceived,
      recordsOut: this.#statistics.packetsSent,
      facts: { znodes: state?.tree.size ?? 0, sessions: state?.sessions.count ?? 0, watches },
      items: [
        {
          kind: 'listener',
          name: 'zookeeper',
          state: this.status === 'ready' ? 'running' : this.status === 'failed' ? 'failed' : 'idle',
          recordsIn: this.#statistics.packetsReceived,
          recordsOut: this.#statistics.packetsSent,
          lag: this.#statistics.outstandingRequests,
        },
      ],
    }
  }

  metrics(): string {
    return this.#metrics.registry.render()
  }

  async cut(into: string): Promise<Cut> {
    while (this.#committing) await this.#committing
    if (!this.#storage || !this.#folder) throw new Error('the server does not run')
    const cut = new CutFolder(this.#folder.path, into)
    this.#storage.cut(cut)
    return cut.done(zookeeperFormats)
  }

  protected async onStart(): Promise<void> {
    this.#startedMs = this.clock.monotonicMs()
    this.#lastTickMs = this.#startedMs
    this.#folder = await openDataFolder(this.#options.data)
    await this.#recover(this.#folder.path)
    this.#listener = new TcpServer((socket) => {
      const host = this.#host
      const address = socket.remoteAddress ?? ''
      const sameAddress = this.#connectionsByAddress.get(address) ?? 0
      const limit = this.#options.connectionsPerAddressMax
      if (limit > 0 && sameAddress >= limit) {
        this.#statistics.connectionsRejected++
        this.logger.warn({ address, limit }, 'a connection was refused: maxClientCnxns')
        socket.destroy()
        return
      }
      this.#connectionsByAddress.set(address, sameAddress + 1)
      socket.once('close', () => {
        const left = (this.#connectionsByAddress.get(address) ?? 1) - 1
        if (left > 0) this.#connectionsByAddress.set(address, left)
        else this.#connectionsByAddress.delete(address)
      })
      const connection = new Connection(socket, host)
      connection.establishedMs = this.clock.nowMs()
      this.#connections.add(connection)
    })
    const listening = await this.#listener.listen(this.#options.listen)
    this.#port = listening.port
    this.#addresses = { zookeeper: formatListen(listening) }
    this.#watchTime(this.#options.tickMs, () => this.#expireSessions())
    this.#watchTime(this.#options.containerCheckMs, () => this.#deleteDue())
    this.logger.info({ address: this.#addresses.zookeeper }, 'zookeeper is ready')
  }

  protected async onStop(deadlineMs: number): Promise<void> {
    for (const timer of this.#timers) this.clock.clearTimer(timer)
    this.#timers = []
    // What is under way is answered before the connections end.
    this.#commit()
    await this.#committing
    await this.#listener?.close(deadlineMs)
    await this.#committing
    this.#listener = undefined
    this.#connections.clear()
    this.#connectionBySession.clear()
    this.#withOutput.clear()
    const storage = this.#storage
    this.#storage = undefined
    if (storage && this.#state && storage.hasPending) await storage.flush()
    await storage?.close()
    this.#state = undefined
    await this.#folder?.release()
    this.#folder = undefined
  }

  async #recover(folder: string): Promise<void> {
    const { forceSync, snapshotsKept, extendedTypesEnabled, skipAcl } = this.#options
    const stateOptions = {
      onTransaction: (transaction: Parameters<Storage['append']>[0]) => {
        this.#storage?.append(transaction)
      },
      extendedTypesEnabled,
      skipAcl,
    }
    const nowMs = this.clock.monotonicMs()
    let isNew = false
    this.#storage = await Storage.open(
      { folder, forceSync, snapshotsKept, logger: this.logger },
      (snapshot) => {
        isNew = snapshot === undefined
        const state = new State(stateOptions, snapshot)
        this.#state = state
        this.#secret = snapshot?.secret ?? systemRandom.bytes(32)
        for (const { id, timeoutMs } of snapshot?.sessions ?? [])
          state.sessions.open(id, timeoutMs, nowMs)
        return (transaction) => state.replay(transaction, nowMs)
      },
    )
    // The first snapshot keeps the secret, without which no session could go on after a restart.
    if (isNew) await this.#storage.snapshot(this.#requiredState(), this.#secret)
    // Every session gets its whole timeout anew, for nobody could be heard while the server was down.
    for (const session of this.#requiredState().sessions.all())
      session.lastHeardMs = this.clock.monotonicMs()
  }

  readonly #host: ConnectionHost = ((server: ZooKeeperServer): ConnectionHost => ({
    get state() {
      return server.#requiredState()
    },
    get frameBytesMax() {
      return server.#options.frameBytesMax
    },
    isCommand: isFourLetterWord,
    onOutput: (connection) => {
      server.#withOutput.add(connection)
      server.#scheduleCommit()
    },
    onPacket: (connection, packet) => server.#onPacket(connection, packet),
    onCommand: (connection, command) => {
      connection.sendText(server.#answer(command))
      connection.close()
      // At once: the client may have ended its side, and then this side ends before the next commit.
      connection.transmit(connection.seal())
    },
    onClose: (connection) => server.#onClose(connection),
  }))(this)

  #requiredState(): State {
    if (!this.#state) throw new Error('the server has no state before it is started')
    return this.#state
  }

  #onPacket(connection: Connection, packet: Buffer): void {
    const { session } = connection
    this.#statistics.packetsReceived++
    if (!this.#state || this.status === 'failed') {
      connection.destroy()
      return
    }
    if (!session) {
      this.#connect(connection, packet)
      return
    }
    const monotonicMs = this.clock.monotonicMs()
    session.lastHeardMs = monotonicMs
    if (connection.outstanding === 0) connection.outstandingSinceMs = monotonicMs
    connection.outstanding++
    this.#statistics.outstandingRequests++
    handleRequest(this.#context, connection, packet)
  }

  readonly #context = ((server: ZooKeeperServer) => ({
    get state() {
      return server.#requiredState()
    },
    get superDigest() {
      return server.#options.superDigest
    },
    nowMs: () => server.clock.nowMs(),
    onAuthFailure: () => {
      server.#statistics.authFailures++
    },
  }))(this)

  #connect(connection: Connection, packet: Buffer): void {
    const reader = new Reader(packet)
    const request = readConnectRequest(reader)
    const state = this.#requiredState()
    // A client that has seen more than there is belongs to other data; it must not go on with this.
    if (reader.failed || request.lastZxidSeen > BigInt(state.lastZxid)) {
      this.logger.warn(
        { address: connection.address, zxid: String(request.lastZxidSeen) },
        'a connection was refused: it has seen a zxid that is not there',
      )
      this.#statistics.connectionsRejected++
      connection.destroy()
      return
    }
    const { sessionTimeoutMsMin, sessionTimeoutMsMax } = this.#options
    const timeoutMs = Math.min(
      sessionTimeoutMsMax,
      Math.max(sessionTimeoutMsMin, request.timeoutMs),
    )
    let session: Session | undefined
    if (request.sessionId === 0n) {
      session = state.createSession(timeoutMs, this.clock.nowMs(), this.clock.monotonicMs())
    } else if (this.#isPassword(request.sessionId, request.password)) {
      session = state.sessions.get(request.sessionId)
      if (session) {
        session.timeoutMs = timeoutMs
        session.lastHeardMs = this.clock.monotonicMs()
        const before = this.#connectionBySession.get(session.id)
        if (before) {
          state.removeWatcher(before)
          before.destroy()
        }
      }
    }
    connection.send((writer: Writer) => {
      writer.int32(0).int32(session ? timeoutMs : 0)
      writer.bigint64(session?.id ?? 0n)
      writeBuffer(writer, session ? this.#password(session.id) : noPassword)
      if (request.readOnly !== undefined) writer.boolean(false)
    })
    if (!session) {
      connection.close()
      return
    }
    connection.session = session
    connection.lastOperation = 'SESS'
    this.#connectionBySession.set(session.id, connection)
  }

  #password(sessionId: bigint): Buffer {
    return createHmac('sha256', this.#secret)
      .update(sessionId.toString(16))
      .digest()
      .subarray(0, 16)
  }
  #isPassword(sessionId: bigint, password: Buffer | null): boolean {
    return password?.byteLength === 16 && timingSafeEqual(password, this.#password(sessionId))
  }

  #onClose(connection: Connection): void {
    this.#connections.delete(connection)
    this.#withOutput.delete(connection)
    this.#statistics.outstandingRequests -= connection.outstanding
    connection.outstanding = 0
    this.#state?.removeWatcher(connection)
    const { session } = connection
    if (!session) return
    if (this.#connectionBySession.get(session.id) !== connection) return
    this.#connectionBySession.delete(session.id)
    if (this.#state?.sessions.get(session.id)) this.#statistics.connectionsDropped++
  }

  #scheduleCommit(): void {
    if (this.#isCommitScheduled || this.#committing) return
    this.#isCommitScheduled = true
    // After all sockets that have something now were read: their requests share one flush.
    setImmediate(() => {
      this.#isCommitScheduled = false
      this.#commit()
    })
  }

  /** Sends what waits, after a flush where anything was changed. One at a time. */
  #commit(): void {
    if (this.#committing) return
    const storage = this.#storage
    if (!storage?.hasPending) {
      const ready = this.#withOutput
      this.#withOutput = new Set()
      for (const connection of ready) this.#transmit(connection, connection.seal())
      return
    }
    const sealed: [Connection, Buffer][] = []
    for (const connection of this.#withOutput) sealed.push([connection, connection.seal()])
    this.#withOutput.clear()
    this.#committing = this.#flushAndSend(storage, sealed)
      .catch((error) => {
        // Nobody was told of what may be lost; the clients come back to what is durable.
        for (const connection of this.#connections) connection.destroy()
        this.fail(error)
      })
      .finally(() => {
        this.#committing = undefined
        if (this.status === 'failed') return
        if (this.#withOutput.size > 0 || storage.hasPending) this.#scheduleCommit()
      })
  }

  async #flushAndSend(
    storage: Storage,
    sealed: readonly (readonly [Connection, Buffer])[],
  ): Promise<void> {
    const beganMs = this.clock.monotonicMs()
    await storage.flush()
    this.#statistics.flushes++
    this.#statistics.flushMsSum += this.clock.monotonicMs() - beganMs
    for (const [connection, bytes] of sealed) this.#transmit(connection, bytes)
    if (storage.transactionsSinceSnapshot < this.#options.snapshotTransactions) return
    const snapshotBeganMs = this.clock.monotonicMs()
    await storage.snapshot(this.#requiredState(), this.#secret)
    this.#statistics.snapshots++
    this.#statistics.snapshotMsSum += this.clock.monotonicMs() - snapshotBeganMs
  }

  #transmit(connection: Connection, bytes: Buffer): void {
    const { outstanding } = connection
    connection.outstanding = 0
    this.#statistics.outstandingRequests -= outstanding
    this.#statistics.packetsSent += outstanding
    if (outstanding > 0)
      this.#statistics.observeLatency(
        this.clock.monotonicMs() - connection.outstandingSinceMs,
        outstanding,
      )
    if (bytes.byteLength > 0) this.#statistics.responseBytesLast = bytes.byteLength
    connection.transmit(bytes)
  }

  /** Calls `act` every `everyMs`. */
  #watchTime(everyMs: number, act: () => void): void {
    const index = this.#timers.length
    const arm = (): void => {
      this.#timers[index] = this.clock.setTimer(() => {
        arm()
        act()
      }, everyMs)
    }
    arm()
  }

  #expireSessions(): void {
    const nowMs = this.clock.monotonicMs()
    const lateMs = nowMs - this.#lastTickMs - this.#options.tickMs
    this.#lastTickMs = nowMs
    const { sessions } = this.#requiredState()
    // The process stood still: what its clients sent meanwhile is not read yet.
    if (lateMs > this.#options.tickMs) sessions.extend(lateMs)
    for (const session of sessions.overdue(nowMs)) {
      this.logger.info(
        { session: session.id.toString(16), timeoutMs: session.timeoutMs },
        'a session expired',
      )
      this.#statistics.sessionsExpired++
      this.#requiredState().closeSession(session.id, this.clock.nowMs())
      this.#connectionBySession.get(session.id)?.destroy()
    }
    this.#scheduleCommit()
  }

  #deleteDue(): void {
    const nowMs = this.clock.nowMs()
    for (const path of this.#requiredState().due(nowMs))
      this.#requiredState().deleteDue(path, nowMs)
    this.#scheduleCommit()
  }

  #answer(command: string): string {
    return answerFourLetterWord(command, {
      state: this.#requiredState(),
      statistics: this.#statistics,
      options: this.#options,
      connections: this.#connections,
      port: this.#port,
      dataFolder: this.#folder?.path ?? '',
      readings: () => this.#metrics.readings(),
    })
  }
}
