import { mkdirSync } from 'node:fs'
import type { Socket } from 'node:net'
import path from 'node:path'
import {
  type Cut,
  CutFolder,
  type DataFolder,
  describeError,
  formatListen,
  openDataFolder,
  PartBase,
  type PartContext,
  TcpServer,
  type TimerHandle,
  type Vitals,
} from '@khlong/core'
import type { ClientConnection, OperationCounts, ServerState } from '../commands/context.ts'
import { CursorTable } from '../commands/cursors.ts'
import { dispatch } from '../commands/dispatch.ts'
import { codeError } from '../errors.ts'
import { mongodbFormats } from '../formats.ts'
import { type MongodbOptions, type MongodbSettings, resolveMongodbOptions } from '../options.ts'
import { Catalog } from '../storage/catalog.ts'
import { StorageEngine } from '../storage/engine.ts'
import { Connection, type NetworkCounts } from './connection.ts'
import { MongodbMetrics } from './metrics.ts'
import { expireDocuments } from './ttl.ts'

/**
 * A server of MongoDB's wire protocol that keeps its documents in one folder.
 *
 * @example
 * ```ts
 * await using server = new MongodbServer({ listen: 0, data: './data' })
 * await server.start()
 * const client = new MongoClient(`mongodb://${server.addresses.mongodb}`)
 * ```
 */
export class MongodbServer extends PartBase {
  readonly name = 'mongodb'
  readonly #settings: MongodbSettings
  readonly #metrics = new MongodbMetrics()
  readonly #network: NetworkCounts = { bytesIn: 0, bytesOut: 0, requests: 0 }
  #folder: DataFolder | undefined
  #engine: StorageEngine | undefined
  #server: TcpServer | undefined
  #state: ServerState | undefined
  #timer: TimerHandle | undefined
  #housekeeping: Promise<void> = Promise.resolve()
  #address: string | undefined
  #connectionId = 0
  #copying: Promise<void> = Promise.resolve()

  constructor(options: MongodbOptions = {}, context: PartContext = {}) {
    super(context)
    this.#settings = resolveMongodbOptions(options)
  }

  /** `mongodb`: host:port */
  get addresses(): Readonly<Record<string, string>> {
    return this.#address === undefined ? {} : { mongodb: this.#address }
  }

  async cut(into: string): Promise<Cut> {
    const engine = this.#engine
    if (!engine || !this.#folder) throw codeError('ShutdownInProgress', 'the server does not run')
    // A copy that is still being written belongs to somebody who is gone.
    await this.#copying.catch(() => {})
    const cut = new CutFolder(this.#folder.path, into)
    const { settled, written } = engine.copy(cut.expect('store/data.mdb'))
    this.#copying = written
    await settled
    return cut.done(mongodbFormats)
  }

  cutWritten(): Promise<void> {
    return this.#copying
  }

  protected async onStart(): Promise<void> {
    const settings = this.#settings
    this.#folder = await openDataFolder(settings.data)
    const store = path.join(this.#folder.path, 'store')
    mkdirSync(store, { recursive: true })
    let catalog: Catalog | undefined
    const engine = await StorageEngine.open(store, {
      beforeCommit: () => catalog?.saveSizes() ?? (() => {}),
      onAbort: () => catalog?.reload(),
      onFailure: (error) => this.fail(error),
    })
    this.#engine = engine
    catalog = new Catalog(engine)
    const server = new TcpServer((socket) => this.#accept(socket))
    this.#server = server
    const state: ServerState = {
      engine,
      catalog,
      settings,
      cursors: new CursorTable({ countMax: settings.cursorsMax, idleMs: settings.cursorTimeoutMs }),
      clock: this.clock,
      logger: this.logger,
      startedMs: this.clock.nowMs(),
      counts: newCounts(),
      connectionCount: () => server.connectionCount,
      network: () => this.#network,
    }
    this.#state = state
    this.#metrics.attach(state)
    this.#address = formatListen(await server.listen(settings.address))
    this.#scheduleHousekeeping()
    this.logger.info({ address: this.#address, collections: catalog.size }, 'mongodb is listening')
  }

  protected async onStop(deadlineMs: number): Promise<void> {
    if (this.#timer) this.clock.clearTimer(this.#timer)
    this.#timer = undefined
    await this.#server?.close(deadlineMs)
    this.#server = undefined
    await this.#housekeeping
    const engine = this.#engine
    const catalog = this.#state?.catalog
    await this.#copying.catch(() => {})
    await engine?.settle()
    catalog?.close()
    await engine?.close()
    this.#engine = undefined
    this.#state = undefined
    this.#address = undefined
    await this.#folder?.release()
    this.#folder = undefined
  }

  vitals(): Vitals {
    const state = this.#state
    if (!state) return { recordsIn: 0, recordsOut: 0, facts: {}, items: [] }
    const { counts, catalog } = state
    const items = [...catalog.all()]
      .sort((a, b) => b.traffic.written - a.traffic.written)
      .slice(0, 50)
      .map(({ namespace, traffic, stored }) => ({
        kind: 'collection' as const,
        name: namespace,
        state: 'running' as const,
        recordsIn: traffic.written,
        recordsOut: traffic.read,
        note: `${stored.count} documents`,
      }))
    return {
      recordsIn: counts.inserted + counts.updated,
      recordsOut: counts.returned,
      facts: {
        clients: state.connectionCount(),
        collections: catalog.size,
        cursors: state.cursors.size,
      },
      items,
    }
  }

  metrics(): string {
    return this.#metrics.render()
  }

  #accept(socket: Socket): void {
    const state = this.#state
    if (!state || state.connectionCount() > this.#settings.connectionsMax) {
      this.logger.warn(
        { connectionsMax: this.#settings.connectionsMax },
        'a connection was refused: there are too many',
      )
      socket.destroy()
      return
    }
    const client: ClientConnection = {
      id: ++this.#connectionId,
      remote: `${socket.remoteAddress}:${socket.remotePort}`,
      local: `${socket.localAddress}:${socket.localPort}`,
      user: undefined,
      conversation: undefined,
    }
    new Connection(socket, (message) => dispatch(message, state, client), {
      counts: this.#network,
      logger: this.logger,
    })
  }

  #scheduleHousekeeping(): void {
    this.#timer = this.clock.setTimer(() => {
      this.#housekeeping = this.#keepHouse().catch((error: unknown) => {
        this.logger.error({ err: describeError(error) }, 'a pass over expired documents failed')
      })
    }, this.#settings.ttlSeconds * 1000)
  }

  async #keepHouse(): Promise<void> {
    const state = this.#state
    if (!state) return
    state.cursors.sweep(this.clock.nowMs())
    if (this.#settings.isTtlOn) await expireDocuments(state)
    if (this.#timer) this.#scheduleHousekeeping()
  }
}

function newCounts(): OperationCounts {
  return {
    insert: 0,
    query: 0,
    update: 0,
    delete: 0,
    getmore: 0,
    command: 0,
    inserted: 0,
    updated: 0,
    deleted: 0,
    returned: 0,
    ttlDeleted: 0,
    ttlPasses: 0,
  }
}
