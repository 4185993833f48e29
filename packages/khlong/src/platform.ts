import path from 'node:path'
import type { ListenAddress, Logger } from '@khlong/core'
import {
  CodedError,
  type DataFolder,
  describeError,
  newToken,
  openDataFolder,
  parseListen,
} from '@khlong/core'
import type { BrokerDescription } from '@khlong/mqtt'
import { PipelineCutter } from './backup/pipeline-cut.ts'
import { CommandLog } from './commands/command-log.ts'
import { type AddressBook, resolveAddressBook } from './config/address-book.ts'
import { type PartName, partNames } from './config/part-names.ts'
import { type Pipeline, partSettings } from './config/pipeline.ts'
import { ownAccessKey } from './devices/broker-access.ts'
import { brokerTls } from './devices/broker-place.ts'
import { addressOf } from './devices/device.ts'
import { DeviceRegistry } from './devices/device-registry.ts'
import { countStates, type DeviceStatus, DeviceWatch } from './devices/device-watch.ts'
import { DiskWatch } from './disk/disk-watch.ts'
import { LocalThread } from './host/local-thread.ts'
import type { PartThread, ThreadEvents } from './host/part-thread.ts'
import { Supervisor } from './host/supervisor.ts'
import { WorkerThread } from './host/worker-thread.ts'
import { type FirstUse, makeFirstUse } from './lan/first-use.ts'
import { deviceAddress } from './lan/lan-addresses.ts'
import { equipOutside } from './outside/outside.ts'
import { checkSharedWork } from './outside/shared-work.ts'
import type { PartDefinition, ThreadName } from './parts/definition.ts'
import { partDefinitions } from './parts/definitions.ts'
import { locateSettingsError, wiredSettings } from './parts/part-settings.ts'
import { BackupRoute } from './status/backup-route.ts'
import { CommandRoutes } from './status/command-routes.ts'
import { removeControlFile, writeControlFile } from './status/control-file.ts'
import { DeviceRoutes } from './status/device-routes.ts'
import { writeDiscovery } from './status/discovery.ts'
import { embeddedAccess, MirrorRoute } from './status/mirror-route.ts'
import { platformMetrics } from './status/platform-metrics.ts'
import { type Snapshot, SnapshotSource } from './status/snapshot.ts'
import { StatusServer } from './status/status-server.ts'
import { version } from './version.ts'

export interface PlatformOptions {
  pipeline: Pipeline
  logger: Logger
  /** Ends a start that is under way: what has started stops, what waits for something else is cut off. */
  signal?: AbortSignal | undefined
  /** Only these parts; default all that the pipeline has. */
  only?: readonly PartName[]
  /** Called each second with the newest snapshot. */
  onSnapshot?(snapshot: Snapshot): void
  /** Called with what was made for the first use on a network, before anything listens. */
  onFirstUse?(firstUse: FirstUse): void
}

/** How long the public MQTT listener waits for the pipeline's own subscriptions. */
const subscriptionsWaitMs = 30_000
/** After this time it is said what is waited for. */
const waitSaidAfterMs = 3_000
const snapshotEveryMs = 1_000
const diskEveryMs = 10_000
const doorAttempts = 5
const abortedStopMs = 1_000

/** A pipeline that runs: its parts, wired, supervised, and watched. */
export class Platform {
  readonly book: AddressBook
  readonly #options: PlatformOptions
  readonly #data: DataFolder
  readonly #supervisor: Supervisor
  readonly #snapshots: SnapshotSource
  readonly #status: StatusServer
  readonly #controlToken: string
  readonly #cutter: PipelineCutter
  readonly #running: readonly PartName[]
  readonly #registry: DeviceRegistry
  readonly #commands: CommandLog | undefined
  readonly #watch = new DeviceWatch()
  #devices: readonly DeviceStatus[] = []
  #unseenReason = ''
  #latest: Snapshot | undefined
  readonly #disk: DiskWatch
  readonly #stopped = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #diskTimer: NodeJS.Timeout | undefined

  /**
   * Reads the address book, takes the data folder and starts every part.
   *
   * @throws SettingsError or CodedError that names file, line and key where the user can mend it;
   *   nothing is left open then. The reason of `signal` where that was aborted.
   */
  static async start(options: PlatformOptions): Promise<Platform> {
    for (let attempt = 1; ; attempt++) {
      const book = await resolveAddressBook(options.pipeline)
      const data = await openData(options.pipeline)
      const platform = new Platform(options, book, data)
      try {
        await untilAborted(platform.#start(), options.signal)
        return platform
      } catch (error) {
        const isAborted = options.signal?.aborted === true
        // Nothing that was acknowledged needs the time of a part that has not started.
        await platform.stop(isAborted ? abortedStopMs : undefined)
        if (isAborted) throw error
        // Another pipeline that started at the same time was faster; nobody was promised that port.
        if (attempt < doorAttempts && isDoorTaken(error, book)) continue
        throw locateSettingsError(error, options.pipeline)
      }
    }
  }

  private constructor(options: PlatformOptions, book: AddressBook, data: DataFolder) {
    this.#options = options
    this.book = book
    this.#data = data
    this.#registry = new DeviceRegistry(options.pipeline.data)
    const bootstrapServers = book.kafka?.['bootstrap.servers']
    this.#commands =
      bootstrapServers === undefined
        ? undefined
        : new CommandLog({ bootstrapServers, security: book.kafka, hosts: book.hosts })
    this.#disk = new DiskWatch(options.pipeline.disk, options.pipeline.data)
    const ownMetrics = platformMetrics(() => this.#disk.state)
    const definitions = partDefinitions.filter(
      ({ name }) => book.parts[name].kind === 'embedded' && (options.only?.includes(name) ?? true),
    )
    this.#running = definitions.map(({ name }) => name)
    this.#supervisor = new Supervisor({
      logger: options.logger,
      makeThread: (name, events) => this.#makeThread(name, events),
      parts: definitions.map((definition) => ({
        definition: placed(definition, options.pipeline),
        settings: wiredSettings(definition, options.pipeline, book),
      })),
      onReady: (name) => this.#onReady(name),
    })
    this.#snapshots = new SnapshotSource({
      name: options.pipeline.name,
      version,
      folder: options.pipeline.folder,
      data: options.pipeline.data,
      window: this.#running.includes('streams') ? windowOf(options.pipeline) : undefined,
      supervisor: this.#supervisor,
      external: partNames.flatMap((name) => {
        const address = book.parts[name]
        return address.kind === 'external' ? [{ name, address: address.address }] : []
      }),
    })
    this.#controlToken = newToken()
    this.#cutter = new PipelineCutter({
      supervisor: this.#supervisor,
      running: this.#running,
      data: options.pipeline.data,
    })
    this.#status = new StatusServer({
      address: parseListen(book.platform),
      latest: () => this.#latest,
      deviceRoutes: this.#hasRegistry
        ? new DeviceRoutes({
            registry: this.#registry,
            statuses: () => this.#devices,
            broker: async (reachedAt) => ({
              ...brokerForDevices(book, reachedAt),
              tls: await brokerTls(options.pipeline),
            }),
            onChanged: () => this.#reload('mqtt'),
            token: book.token,
          })
        : undefined,
      backupRoute: new BackupRoute({ cutter: this.#cutter, token: this.#controlToken }),
      mirrorRoute: new MirrorRoute({ access: embeddedAccess(book), token: this.#controlToken }),
      commandRoutes: this.#commands
        ? new CommandRoutes({
            commands: this.#commands,
            token: book.token,
            addressOf: async (device) => addressOf(await this.#registry.listAgain(), device),
          })
        : undefined,
      metrics: (part) => this.#supervisor.metrics(part),
      platformMetrics: () => ownMetrics.render(),
    })
  }

  get latest(): Snapshot | undefined {
    return this.#latest
  }

  /**
   * Stops all parts in reverse order and gives the data folder back. Gives the parts that were cut off
   * because they waited for something that does not answer.
   */
  async stop(deadlineMs?: number): Promise<readonly PartName[]> {
    clearInterval(this.#timer)
    // While Kafka is still there to say goodbye to.
    await this.#commands?.close()
    clearTimeout(this.#diskTimer)
    this.#stopped.abort()
    const cut = await this.#supervisor.stop(deadlineMs, deadlineMs)
    await this.#status.stop()
    await removeControlFile(this.#data.path)
    await this.#data.release()
    return cut
  }

  /**
   * Has users, access rules and certificates of MQTT and the files of Prometheus and Alertmanager read
   * again, as their real systems do at SIGHUP. Where a file is broken, what it said before stays.
   */
  async reload(): Promise<void> {
    for (const name of ['mqtt', 'prometheus'] as const) await this.#reload(name)
  }

  async #reload(name: PartName): Promise<void> {
    if (!this.#running.includes(name)) return
    await this.#supervisor.call(name, 'reload').catch((error: unknown) => {
      this.#options.logger.error({ part: name, err: error }, 'its files could not be read again')
    })
  }

  /** Something in the main thread threw where nobody caught it: its parts are started again. */
  mainThreadFailed(error: unknown): void {
    this.#supervisor.threadFailed('main', error)
  }

  async #start(): Promise<void> {
    if (this.#running.includes('connect'))
      await checkSharedWork(this.#options.pipeline, this.book, this.#options.logger)
    await this.#status.start()
    await this.#cutter.clear()
    await this.#prepareAccess()
    await writeDiscovery(path.join(this.#data.path, 'discovery'), this.book, this.#running)
    await equipOutside(this.#options.pipeline, this.book, {
      logger: this.#options.logger,
      signal: this.#stopped.signal,
    })
    await writeControlFile(this.#data.path, {
      address: this.book.platform,
      token: this.#controlToken,
    })
    this.#timer = setInterval(() => this.#tick(), snapshotEveryMs)
    await this.#watchDisk()
    await this.#supervisor.start()
    this.#expireDocuments()
    this.#snapshots.ready = true
    await this.#takeSnapshot()
  }

  /** Sources wait while the data are at their budget, or the disk is nearly full. */
  async #watchDisk(): Promise<void> {
    const { logger } = this.#options
    try {
      const before = this.#disk.state?.held
      const { held } = await this.#disk.measure()
      if (held !== undefined && before === undefined)
        logger.warn({ reason: held }, 'sources wait: there is no more room')
      if (held === undefined && before !== undefined) logger.info({}, 'sources go on')
      await this.#holdSources()
    } catch (error) {
      logger.warn({ err: error }, 'the disk was not measured')
    }
    if (!this.#stopped.signal.aborted)
      this.#diskTimer = setTimeout(() => this.#watchDisk(), diskEveryMs).unref()
  }

  /** Told again each time, for a broker that was started again knows nothing of it. */
  async #holdSources(): Promise<void> {
    const mqtt = this.#supervisor.states().find(({ name }) => name === 'mqtt')
    if (mqtt?.status !== 'ready') return
    const held = this.#disk.state?.held
    if (held === undefined) await this.#supervisor.call('mqtt', 'freePublishers')
    else await this.#supervisor.call('mqtt', 'holdPublishers', held)
  }

  #expireDocuments(): void {
    const { logger, only, pipeline } = this.#options
    const uri = this.book.environment.KHLONG_MONGODB_URI
    // Parts that were started by themselves are being copied or looked at: nothing of theirs may go.
    if (uri === undefined || only !== undefined || pipeline.disk.expire.length === 0) return
    import('./disk/document-expiry.ts')
      .then(({ keepExpiry }) => keepExpiry(uri, pipeline.disk.expire, logger, this.#stopped.signal))
      .catch((error: unknown) => logger.warn({ err: error }, 'documents do not expire'))
  }

  /** People and devices come before what they log in to. */
  async #prepareAccess(): Promise<void> {
    const { pipeline, logger, onFirstUse } = this.#options
    if (pipeline.lan) onFirstUse?.(await makeFirstUse(pipeline, logger))
    if (this.#hasRegistry) await this.#registry.writeMosquittoFiles()
  }

  /** Whether the devices of the registry are those that the broker lets in. */
  get #hasRegistry(): boolean {
    const written = partSettings(this.#options.pipeline, 'mqtt') || {}
    return this.#running.includes('mqtt') && ownAccessKey(written) === undefined
  }

  async #lookAtDevices(): Promise<void> {
    if (!this.#hasRegistry) return
    const devices = await this.#registry.listAgain()
    const mqtt = this.#supervisor.states().find(({ name }) => name === 'mqtt')
    if (devices.length === 0 || mqtt?.status !== 'ready') {
      this.#devices = []
      return
    }
    const seen = (await this.#supervisor.call('mqtt', 'describe')) as BrokerDescription
    this.#devices = this.#watch.observe(devices, seen, Date.now())
    this.#unseenReason = ''
  }

  /** What cannot be known of devices is said once, and the rest of the snapshot goes on. */
  #devicesUnseen(error: unknown): void {
    const reason = describeError(error)
    if (reason !== this.#unseenReason)
      this.#options.logger.warn({ err: error }, 'how the devices are doing is not known')
    this.#unseenReason = reason
  }

  #tick(): void {
    this.#takeSnapshot().catch((error: unknown) => {
      this.#options.logger.warn({ err: error }, 'taking a snapshot failed')
    })
  }

  async #takeSnapshot(): Promise<void> {
    await this.#lookAtDevices().catch((error: unknown) => this.#devicesUnseen(error))
    const snapshot = await this.#snapshots.take(
      this.#devices.length === 0 ? undefined : countStates(this.#devices),
      this.#disk.state,
    )
    this.#latest = snapshot
    this.#status.publish(snapshot)
    this.#options.onSnapshot?.(snapshot)
  }

  #makeThread(name: ThreadName, events: ThreadEvents): PartThread {
    const { logger } = this.#options
    if (name === 'main')
      return new LocalThread(logger, (part, error) => events.onPartFailure(part, error))
    return new WorkerThread(name, logger, events)
  }

  /**
   * A pipeline is ready when its source connectors have subscribed: what a broker elsewhere acknowledges
   * before that would be kept by nobody. For the same reason our own public MQTT listener opens only then
   * (ARCHITECTURE.md, delivery contract, 2).
   */
  async #onReady(name: PartName): Promise<void> {
    if (name !== 'mqtt' && name !== 'connect') return
    if (name === 'mqtt') await this.#holdSources()
    const states = this.#supervisor.states()
    const isReady = (part: PartName): boolean =>
      states.find((state) => state.name === part)?.status === 'ready'
    if (this.#running.includes('connect')) {
      if (!isReady('connect')) return
      await this.#sourcesSubscribed()
    }
    if (this.#running.includes('mqtt')) await this.#supervisor.call('mqtt', 'openPublicListeners')
  }

  async #sourcesSubscribed(): Promise<void> {
    const { logger } = this.#options
    const whySoon = setTimeout(() => void this.#sayWhatIsWaitedFor(), waitSaidAfterMs)
    const isSettled = await Promise.race([
      this.#supervisor.call('connect', 'settled').then(() => true),
      new Promise<boolean>((resolve) => {
        setTimeout(resolve, subscriptionsWaitMs, false).unref()
      }),
    ])
    clearTimeout(whySoon)
    if (!isSettled)
      logger.warn(
        { waitedMs: subscriptionsWaitMs },
        'not every source connector has subscribed, and the pipeline goes on; see the connectors for the reason',
      )
  }

  async #sayWhatIsWaitedFor(): Promise<void> {
    const states = await this.#supervisor.refresh().catch(() => [])
    const items = states.find(({ name }) => name === 'connect')?.vitals?.items ?? []
    for (const { name, state, note } of items)
      if (state === 'starting' && note !== undefined && !this.#stopped.signal.aborted)
        this.#options.logger.warn({ connector: name, reason: note }, 'a connector is waited for')
  }
}

/** Takes the data folder; where a file names it, an error says which line. */
async function openData({ data, dataWritten }: Pipeline): Promise<DataFolder> {
  try {
    return await openDataFolder(data)
  } catch (error) {
    if (dataWritten === undefined || !(error instanceof CodedError)) throw error
    const { code, message, fields, cause } = error
    throw new CodedError(code, `${dataWritten}: ${message}`, { cause, fields })
  }
}

/** The part in the thread that its settings ask for. */
function placed(definition: PartDefinition, pipeline: Pipeline): PartDefinition {
  const thread = definition.threadFor?.(partSettings(pipeline, definition.name) || {})
  return thread === undefined ? definition : { ...definition, thread }
}

/** Where devices find the broker: the public listener, or where there is none that for the pipeline. */
function brokerForDevices({ parts: { mqtt } }: AddressBook, reachedAt?: string): ListenAddress {
  const { listen, 'internal.listen': internal } = mqtt.kind === 'embedded' ? mqtt.listeners : {}
  return deviceAddress(parseListen(listen ?? internal ?? 1883), reachedAt)
}

/** The windows of the streams, where the pipeline says how long they are. */
function windowOf({ settings }: Pipeline): { sizeMs: number } | undefined {
  const sizeMs = settings.value(['streams', 'settings', 'window.size.ms'])
  return typeof sizeMs === 'number' && sizeMs > 0 ? { sizeMs } : undefined
}

function isDoorTaken(error: unknown, { platform }: AddressBook): boolean {
  return (
    error instanceof CodedError &&
    error.code === 'LISTEN_TAKEN' &&
    error.fields.port === parseListen(platform).port
  )
}

/** What `work` comes to, or the reason of `signal` as soon as that is aborted. */
async function untilAborted(work: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  const aborted = Promise.withResolvers<never>()
  const abort = (): void => aborted.reject(signal?.reason)
  if (signal?.aborted) abort()
  signal?.addEventListener('abort', abort, { once: true })
  // Its own failure after that is of no interest.
  work.catch(() => {})
  aborted.promise.catch(() => {})
  try {
    await Promise.race([work, aborted.promise])
  } finally {
    signal?.removeEventListener('abort', abort)
  }
}
