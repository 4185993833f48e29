import { ConnectError } from '../errors.ts'
import { forward } from '../rest/forward.ts'
import type { ConfigStore } from '../storage/config-store.ts'
import type { KnownConnector } from './herder.ts'
import { pause } from './pause.ts'
import type { TaskEnvironment } from './task.ts'

export interface ZombieFencingOptions {
  readonly environment: TaskEnvironment
  readonly configs: ConfigStore
  readonly accessToken: string | undefined
  /** @throws ConnectError `CONNECT_NOT_FOUND` */
  readonly require: (name: string) => KnownConnector
  /** REST of the leader; undefined where it is this worker. @throws ConnectError `CONNECT_REBALANCING` */
  readonly leader: () => Promise<string | undefined>
  /** Whether a task is this worker's. */
  readonly has: (connector: string, task: number) => boolean
  readonly serially: (work: () => Promise<void>) => Promise<void>
}

// Between two attempts while the workers share out their work.
const retryMs = 500

/**
 * Sees to it that tasks of former generations write no more before new ones begin (KIP-618).
 *
 * Invariant: the record that says for how many tasks that is so is written after it is so.
 */
export class ZombieFencing {
  readonly #options: ZombieFencingOptions

  constructor(options: ZombieFencingOptions) {
    this.#options = options
  }

  /**
   * As the leader, ends what tasks of former generations may still write.
   *
   * @throws ConnectError `CONNECT_NOT_FOUND`, `CONNECT_FAILED`
   */
  async fence(name: string): Promise<void> {
    const { configs, environment, require, serially } = this.#options
    const { exactlyOnce, kafka } = environment
    if (require(name).plugin.kind !== 'source')
      throw new ConnectError('CONNECT_FAILED', `${name} is no source: it has no zombies to fence`)
    if (!exactlyOnce)
      throw new ConnectError(
        'CONNECT_FAILED',
        'This worker does not have exactly-once source support enabled.',
      )
    await serially(async () => {
      await configs.refresh()
      const zombies = configs.zombies(name)
      if (zombies === 'none') return
      const { tasks } = require(name)
      // A single task in the place of a single one takes the id over itself.
      if (zombies !== undefined && !(zombies === 1 && tasks.length === 1))
        await kafka.fence(
          Array.from({ length: zombies }, (_item, task) => exactlyOnce.transactionalId(name, task)),
        )
      await configs.putFenced(name, tasks.length)
    })
  }

  /** Has the zombies of a source fenced, here or by the leader; waits while there is none. */
  async request(name: string, signal: AbortSignal): Promise<void> {
    const { environment, leader, accessToken } = this.#options
    while (!signal.aborted) {
      try {
        const target = await leader()
        if (target === undefined) {
          await this.fence(name)
          return
        }
        const { status, text } = await forward(target, {
          method: 'PUT',
          url: `/connectors/${encodeURIComponent(name)}/fence`,
          body: undefined,
          authorization: accessToken === undefined ? undefined : `Bearer ${accessToken}`,
        })
        if (status < 400) return
        if (status !== 409) throw new ConnectError('CONNECT_FAILED', text)
      } catch (error) {
        if (!(error instanceof ConnectError) || error.code !== 'CONNECT_REBALANCING') throw error
      }
      await pause(environment.clock, retryMs, signal)
    }
  }

  /** @throws ConnectError where a task is not this worker's, or was written anew since `generation`. */
  async verify(connector: string, task: number, generation: number): Promise<void> {
    const { configs, has } = this.#options
    await configs.refresh()
    const what = `Cannot start source task ${connector}-${task} with exactly-once support`
    if (configs.generation(connector) !== generation)
      throw new ConnectError(
        'CONNECT_FAILED',
        `${what} as the connector has already generated a new set of task configs`,
      )
    if (!has(connector, task))
      throw new ConnectError(
        'CONNECT_FAILED',
        `${what} as the worker has already revoked ownership of the task in a recent rebalance`,
      )
  }
}
