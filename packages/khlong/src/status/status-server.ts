import { EventEmitter } from 'node:events'
import http from 'node:http'
import { describeError, type ListenAddress, listenTcp } from '@khlong/core'
import { type PartName, partNames } from '../config/part-names.ts'
import type { BackupRoute } from './backup-route.ts'
import type { CommandRoutes } from './command-routes.ts'
import type { DeviceRoutes } from './device-routes.ts'
import type { MirrorRoute } from './mirror-route.ts'
import type { Snapshot } from './snapshot.ts'

const metricsType = 'text/plain; version=0.0.4'

export interface StatusServerOptions {
  address: ListenAddress
  /** The newest snapshot; taken by whoever owns the clock. */
  latest(): Snapshot | undefined
  /** The devices; missing where there is no registry. */
  deviceRoutes?: DeviceRoutes | undefined
  /** Cuts for backups; missing where there is nothing to cut. */
  backupRoute?: BackupRoute
  /** The way to the data, for copies. */
  mirrorRoute?: MirrorRoute
  /** Commands to devices; missing where there is no Kafka. */
  commandRoutes?: CommandRoutes | undefined
  metrics(part: PartName): Promise<string>
  /** The platform's own. */
  platformMetrics?(): string
}

/**
 * The platform's own door, on loopback: `/-/parts` (the snapshot as JSON), `/-/events` (each new
 * snapshot as a server-sent event), `/-/devices`, `/-/commands`, `/-/ready`, `/-/backup`, `/-/mirror`, and `/metrics/PART` and
 * `/metrics/khlong` for scraping.
 */
export class StatusServer {
  readonly #options: StatusServerOptions
  readonly #server: http.Server
  readonly #published = new EventEmitter().setMaxListeners(0)

  constructor(options: StatusServerOptions) {
    this.#options = options
    this.#server = http.createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => {
        if (!response.headersSent) response.writeHead(503, { 'content-type': 'text/plain' })
        response.end(`${describeError(error)}\n`)
      })
    })
  }

  async start(): Promise<void> {
    await listenTcp(this.#server, this.#options.address)
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    this.#server.closeAllConnections()
    await closed
  }

  /** Sends a new snapshot to all who listen. */
  publish(snapshot: Snapshot): void {
    if (this.#published.listenerCount('snapshot') > 0)
      this.#published.emit('snapshot', `data: ${JSON.stringify(snapshot)}\n\n`)
  }

  async #answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://khlong')
    const { pathname } = url
    if (await this.#options.backupRoute?.answer(request, response, pathname)) return
    if (this.#options.mirrorRoute?.answer(request, response, pathname)) return
    const { deviceRoutes, commandRoutes } = this.#options
    const found =
      (await deviceRoutes?.answer(request, url)) ?? (await commandRoutes?.answer(request, url))
    if (found) return send(response, found.status, 'application/json', JSON.stringify(found.body))
    if (request.method !== 'GET') return refuse(response, 405, 'only GET is answered here')
    if (pathname === '/-/parts') return this.#parts(response)
    if (pathname === '/-/events') return this.#events(response)
    // The broker is another one, or knows its clients by files of the user's own.
    if (pathname === '/-/devices') return send(response, 200, 'application/json', 'null')
    if (pathname === '/-/ready') {
      const ready = this.#options.latest()?.ready ?? false
      return send(response, ready ? 200 : 503, 'text/plain', ready ? 'ready\n' : 'starting\n')
    }
    if (pathname === '/metrics/khlong' && this.#options.platformMetrics)
      return send(response, 200, metricsType, this.#options.platformMetrics())
    const part = partNames.find((name) => pathname === `/metrics/${name}`)
    if (part) return send(response, 200, metricsType, await this.#options.metrics(part))
    refuse(
      response,
      404,
      'answered here: /-/parts, /-/events, /-/devices, /-/commands, /-/ready and /metrics/PART',
    )
  }

  #parts(response: http.ServerResponse): void {
    const snapshot = this.#options.latest()
    if (snapshot) send(response, 200, 'application/json', JSON.stringify(snapshot))
    else refuse(response, 503, 'starting')
  }

  #events(response: http.ServerResponse): void {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
    const snapshot = this.#options.latest()
    if (snapshot) response.write(`data: ${JSON.stringify(snapshot)}\n\n`)
    const onSnapshot = (event: string): void => {
      // Whoever reads too slowly misses snapshots; the next one holds all there is to know.
      if (response.writableLength < 65_536) response.write(event)
    }
    this.#published.on('snapshot', onSnapshot)
    response.on('close', () => this.#published.off('snapshot', onSnapshot))
  }
}

function send(response: http.ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' })
  response.end(body)
}

function refuse(response: http.ServerResponse, status: number, message: string): void {
  send(response, status, 'text/plain', `${message}\n`)
}
