import path from 'node:path'
import {
  type Clock,
  CodedError,
  describeError,
  type Logger,
  type TimerHandle,
  type VitalItem,
} from '@khlong/core'
import { type ClientSecurityOptions, clientSecurityOf } from '@khlong/kafka-client'
import type { ResolvedStreamsAppsOptions, StreamsSettings } from '../config.ts'
import { loadTopologyModule } from '../threads/topology-module.ts'
import type { Topology } from '../topology/topology.ts'
import type { StreamsDefinition } from './define-streams.ts'
import { KafkaStreams } from './kafka-streams.ts'

const firstRetryMs = 500
const longestRetryMs = 30_000

/**
 * One module of the applications' folder: loaded once, started, and started again with growing
 * pauses whenever it ends by itself.
 */
export class HostedApp {
  readonly file: string
  readonly #options: ResolvedStreamsAppsOptions
  readonly #data: string
  readonly #logger: Logger
  readonly #clock: Clock
  #definition: StreamsDefinition | undefined
  #topology: Topology | undefined
  #streams: KafkaStreams | undefined
  #failure: string | undefined
  #retryMs = firstRetryMs
  #startedMs = 0
  #retryTimer: TimerHandle | undefined
  #isStopping = false
  /** Counts of runs that have ended. */
  #before = { recordsIn: 0, recordsOut: 0, deadLetters: 0 }

  constructor(
    file: string,
    options: ResolvedStreamsAppsOptions,
    ports: { readonly data: string; readonly logger: Logger; readonly clock: Clock },
  ) {
    this.file = file
    this.#options = options
    this.#data = ports.data
    this.#logger = ports.logger
    this.#clock = ports.clock
  }

  /** The application's id, or the file's name while the module has given none. */
  get name(): string {
    return this.#definition?.config['application.id'] ?? path.basename(this.file)
  }
  get streams(): KafkaStreams | undefined {
    return this.#streams
  }
  get topology(): Topology | undefined {
    return this.#topology
  }

  /** Loads the module and starts it; what fails is remembered and shown, and never thrown. */
  async start(): Promise<void> {
    try {
      await this.#load()
    } catch (error) {
      this.#onFailure(error)
      return
    }
    await this.#run()
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    if (this.#retryTimer) this.#clock.clearTimer(this.#retryTimer)
    await this.#streams?.stop()
  }

  counts(): { recordsIn: number; recordsOut: number; deadLetters: number } {
    const now = this.#streams?.counts
    return {
      recordsIn: this.#before.recordsIn + (now?.recordsIn ?? 0),
      recordsOut: this.#before.recordsOut + (now?.recordsOut ?? 0),
      deadLetters: this.#before.deadLetters + (now?.deadLetters ?? 0),
    }
  }

  vitalItem(): VitalItem {
    const streams = this.#streams
    const restoring = streams?.restoring
    const note =
      this.#failure ??
      (restoring && `restoring stores: ${restoring.restored} of ${restoring.total} records`)
    return {
      kind: 'application',
      name: this.name,
      state: this.#state(),
      ...this.counts(),
      lag: streams?.lag ?? 0,
      ...this.#edges(),
      ...(note === undefined ? {} : { note }),
    }
  }

  #state(): VitalItem['state'] {
    if (this.#failure !== undefined) return 'failed'
    switch (this.#streams?.state) {
      case 'running':
        return 'running'
      case 'error':
        return 'failed'
      case 'not-running':
        return 'idle'
      default:
        return 'starting'
    }
  }

  /** Topics that others can see: what the application keeps for itself is left out. */
  #edges(): { from: string[]; to: string[] } {
    const from: string[] = []
    const to: string[] = []
    const topology = this.#topology
    for (const node of topology?.nodes.values() ?? []) {
      if (node.kind === 'source') from.push(...node.topics)
      if (node.kind === 'sink' && typeof node.topic === 'string') to.push(node.topic)
    }
    const isOurs = (topic: string): boolean => topology?.internalTopics.has(topic) ?? false
    return {
      from: from.filter((topic) => !isOurs(topic)),
      to: to.filter((topic) => !isOurs(topic)),
    }
  }

  async #load(): Promise<void> {
    const { definition } = await loadTopologyModule(this.file, this.#options.settings)
    this.#definition = definition
    this.#topology = definition.build(this.#options.settings)
  }

  async #run(): Promise<void> {
    const definition = this.#definition
    if (!definition || this.#isStopping) return
    this.#failure = undefined
    this.#keepCounts()
    try {
      const streams = await KafkaStreams.fromModule(this.file, this.#settings(definition.config), {
        logger: this.#logger,
        clock: this.#clock,
        data: this.#data,
        hosts: this.#options.hosts,
        settings: this.#options.settings,
        onError: (error) => this.#retry(error),
      })
      this.#streams = streams
      this.#startedMs = this.#clock.monotonicMs()
      await streams.start()
    } catch (error) {
      this.#retry(error)
    }
  }

  /** What the module says counts before what the part says. */
  #settings(config: StreamsSettings): StreamsSettings {
    const { apps, data, hosts, settings, ...defaults } = this.#options
    return { ...defaults, ...config, ...pipelineKeys(defaults) }
  }

  #keepCounts(): void {
    this.#before = this.counts()
    this.#streams = undefined
  }

  #retry(error: unknown): void {
    if (this.#isStopping) return
    this.#onFailure(error)
    if (error instanceof CodedError && error.code === 'SETTINGS_INVALID') return
    if (this.#clock.monotonicMs() - this.#startedMs > longestRetryMs) this.#retryMs = firstRetryMs
    const delayMs = this.#retryMs
    this.#retryMs = Math.min(longestRetryMs, delayMs * 2)
    this.#retryTimer = this.#clock.setTimer(() => void this.#run(), delayMs)
  }

  #onFailure(error: unknown): void {
    const file = path.basename(this.file)
    const message = describeError(error)
    this.#failure = message.includes(file) ? message : `${file}: ${message}`
    this.#logger.error({ file: this.file, err: error }, 'streams application failed')
  }
}

/** Where the brokers are is for the pipeline to say: it wins over what a module says. */
function pipelineKeys(
  defaults: ClientSecurityOptions & { readonly 'bootstrap.servers'?: string | undefined },
): Partial<StreamsSettings> {
  const servers = defaults['bootstrap.servers']
  return servers === undefined
    ? {}
    : { 'bootstrap.servers': servers, ...clientSecurityOf(defaults) }
}
