import {
  type DataFolder,
  MetricsRegistry,
  moduleFiles,
  openDataFolder,
  PartBase,
  type PartContext,
  type TimerHandle,
  type Vitals,
} from '@khlong/core'
import {
  type ResolvedStreamsAppsOptions,
  resolveStreamsAppsOptions,
  type StreamsAppsOptions,
} from '../config.ts'
import { StreamsError } from '../errors.ts'
import { MetricFamilies } from '../metrics/metric-families.ts'
import { HostedApp } from './hosted-app.ts'

/** How long a start waits for its applications. */
const patienceMs = 3_000

/**
 * The part that runs a folder of streams applications. Each module is one; a module that cannot be
 * loaded, or whose application ends, is shown as failed with the reason, and the others go on.
 */
export class StreamsApps extends PartBase {
  readonly name = 'streams'
  readonly addresses: Readonly<Record<string, string>> = {}
  readonly options: ResolvedStreamsAppsOptions
  readonly #registry = new MetricsRegistry()
  #folder: DataFolder | undefined
  #apps: HostedApp[] = []

  constructor(options: StreamsAppsOptions, context: PartContext = {}) {
    super(context)
    this.options = resolveStreamsAppsOptions(options)
    this.#describeMetrics()
  }

  vitals(): Vitals {
    const items = this.#apps.map((app) => app.vitalItem())
    const sum = (of: (item: (typeof items)[number]) => number | undefined): number =>
      items.reduce((total, item) => total + (of(item) ?? 0), 0)
    const closings = this.#apps.flatMap((app) => app.streams?.nextWindowCloseMs ?? [])
    return {
      recordsIn: sum((item) => item.recordsIn),
      recordsOut: sum((item) => item.recordsOut),
      lag: sum((item) => item.lag),
      deadLetters: sum((item) => item.deadLetters),
      facts: {
        applications: items.length,
        ...(closings.length > 0 ? { windowEndMs: Math.min(...closings) } : {}),
      },
      items,
    }
  }

  metrics(): string {
    return this.#registry.render()
  }

  /** The description of each application's topology, by its id. */
  describe(): Record<string, string> {
    return Object.fromEntries(
      this.#apps.map((app) => [app.name, app.topology?.describe() ?? 'not loaded']),
    )
  }

  protected override async onStart(): Promise<void> {
    this.#folder = await openDataFolder(this.options.data)
    const ports = { data: this.#folder.path, logger: this.logger, clock: this.clock }
    const files = await moduleFiles(
      this.options.apps,
      (root, cause) =>
        new StreamsError('STREAMS_APPLICATION_INVALID', `there is no folder ${root} (apps)`, {
          cause,
        }),
    )
    this.#apps = files.map((file) => new HostedApp(file, this.options, ports))
    // An application that waits for its broker or topics does not hold up the part.
    let timer: TimerHandle | undefined
    const patience = new Promise<void>((resolve) => {
      timer = this.clock.setTimer(resolve, patienceMs)
    })
    await Promise.race([Promise.all(this.#apps.map((app) => app.start())), patience])
    if (timer) this.clock.clearTimer(timer)
  }

  protected override async onStop(): Promise<void> {
    await Promise.all(this.#apps.map((app) => app.stop()))
    await this.#folder?.release()
    this.#folder = undefined
  }

  #describeMetrics(): void {
    const registry = this.#registry
    const measured = new MetricFamilies(registry)
    const dropped = registry.counter({
      name: 'khlong_streams_dropped_records_total',
      help: 'Records that changed nothing, by reason.',
    })
    const deadLetters = registry.counter({
      name: 'khlong_streams_dead_letters_total',
      help: 'Records that went to a dead letter topic.',
    })
    const lag = registry.gauge({
      name: 'kafka_consumer_fetch_manager_records_lag',
      help: 'Records that wait in the topics that are read.',
    })
    const failed = registry.gauge({
      name: 'khlong_streams_application_failed',
      help: 'Whether the application is stopped by an error.',
    })
    const closing = registry.gauge({
      name: 'khlong_streams_next_window_close_timestamp_seconds',
      help: 'When the next open window ends, its grace included.',
    })
    registry.onRender(() => {
      closing.clear()
      measured.clear()
      for (const app of this.#apps) {
        const labels = { application_id: app.name }
        const item = app.vitalItem()
        for (const metric of app.streams?.metrics() ?? []) measured.set(metric, labels)
        deadLetters.series(labels).value = item.deadLetters ?? 0
        lag.series(labels).value = item.lag ?? 0
        failed.series(labels).value = item.state === 'failed' ? 1 : 0
        for (const [reason, count] of Object.entries(app.streams?.counts.dropped ?? {}))
          dropped.series({ ...labels, reason }).value = count
        const closeMs = app.streams?.nextWindowCloseMs
        if (closeMs !== undefined) closing.set(closeMs / 1_000, labels)
      }
    })
  }
}
