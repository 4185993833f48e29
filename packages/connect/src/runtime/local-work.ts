import type { WorkPiece } from '../cluster/worker-protocol.ts'
import type { ConfigMap } from '../config/fields.ts'
import { findConnector } from '../connectors/index.ts'
import type { ConnectorPlugin } from '../plugin.ts'
import type { ConfigStore, RestartRequest } from '../storage/config-store.ts'
import { Connector, type ConnectorShare } from './connector.ts'
import type { TaskEnvironment } from './task.ts'

export interface LocalWorkOptions {
  readonly environment: TaskEnvironment
  readonly configs: ConfigStore
  readonly plugins: readonly ConnectorPlugin[]
  /** Puts in what a configuration refers to. @throws ConnectError `CONNECT_CONFIG` */
  readonly resolve: (config: ConfigMap) => ConfigMap
  /** This worker's share. */
  readonly share: { readonly connectors: ReadonlySet<string>; has(piece: WorkPiece): boolean }
  /** Called at the end of each pass; what it stores brings the next one. */
  readonly afterPass: () => Promise<void>
  readonly onChange: () => void
}

// After a pass that failed, the next one.
const retryMs = 1_000

/**
 * What runs on this worker.
 *
 * Invariant: what runs is made to agree with what is stored and with the share in one pass at a time;
 * restarts are done between passes.
 */
export class LocalWork {
  readonly #options: LocalWorkOptions
  readonly #connectors = new Map<string, Connector>()
  readonly #restarts: (() => Promise<void>)[] = []
  #pass: Promise<void> | undefined
  #isDirty = false
  #isStopping = false

  constructor(options: LocalWorkOptions) {
    this.#options = options
  }

  /** The connectors that this worker has a part of. */
  get connectors(): readonly Connector[] {
    return [...this.#connectors.values()]
  }
  get isBusy(): boolean {
    return this.#pass !== undefined
  }

  /** Resolved when what runs agrees with what is stored and shared now. Never rejects. */
  apply(): Promise<void> {
    this.#isDirty = true
    this.#pass ??= this.#passes()
    return this.#pass
  }

  /** Ends everything. */
  stop(): Promise<void> {
    this.#isStopping = true
    return this.apply()
  }

  /** Restarts parts of a connector that run here. */
  restart(name: string, chosen: ConnectorShare): Promise<void> {
    this.#restarts.push(async () => this.#connectors.get(name)?.restart(chosen))
    return this.apply()
  }

  /** Does this worker's part of what all were asked for. */
  restartShare({ connector: name, includeTasks, onlyFailed }: RestartRequest): Promise<void> {
    const isChosen = (state: string): boolean => !onlyFailed || state === 'FAILED'
    this.#restarts.push(async () => {
      const connector = this.#connectors.get(name)
      const tasks = includeTasks ? (connector?.tasks ?? []) : []
      await connector?.restart({
        hasConnector: connector.hasConnector && isChosen(connector.state),
        tasks: tasks.filter(({ state }) => isChosen(state)).map(({ id }) => id),
      })
    })
    return this.apply()
  }

  async #passes(): Promise<void> {
    try {
      while (this.#isDirty) await this.#onePass()
    } finally {
      // In the same turn as the last look at `#isDirty`, so that no change slips in between.
      this.#pass = undefined
      this.#options.onChange()
    }
  }

  async #onePass(): Promise<void> {
    const { share, afterPass, environment } = this.#options
    this.#isDirty = false
    for (let restart = this.#restarts.shift(); restart; restart = this.#restarts.shift())
      await restart()
    const names = new Set([...share.connectors, ...this.#connectors.keys()])
    await Promise.all([...names].map((name) => this.#applyTo(name)))
    if (this.#isStopping) return
    try {
      await afterPass()
    } catch (error) {
      environment.logger.warn({ err: error }, 'what a pass stores could not be written')
      environment.clock.setTimer(() => void this.apply(), retryMs)
    }
  }

  async #applyTo(name: string): Promise<void> {
    const { configs, environment, plugins, resolve, share, onChange } = this.#options
    const stored = configs.get(name)
    const has = (task?: number): boolean =>
      !this.#isStopping && share.has({ connector: name, task })
    const plugin = findConnector(plugins, stored?.config['connector.class'] ?? '')
    let connector = this.#connectors.get(name)
    if (connector && stored && connector.plugin !== plugin) {
      // Another class under the same name: nothing of the former one goes on.
      await connector.apply(undefined, { hasConnector: false, tasks: [] })
      connector = undefined
    }
    if (!connector) {
      connector = new Connector({ name, plugin, environment, resolve, onChange })
      this.#connectors.set(name, connector)
    }
    await connector.apply(stored, {
      hasConnector: has(),
      tasks: (stored?.tasks ?? []).flatMap((_config, task) => (has(task) ? [task] : [])),
    })
    if (!connector.hasConnector && connector.tasks.length === 0) this.#connectors.delete(name)
  }
}
