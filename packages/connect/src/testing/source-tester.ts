import { systemClock, systemRandom } from '@khlong/core'
import type { ConfigMap } from '../config/fields.ts'
import type { SourceRecord } from '../data/record.ts'
import type { ConnectObject } from '../data/schema.ts'
import type { SourcePlugin, SourceTask } from '../plugin.ts'
import { requireValid, validateConfig } from '../runtime/validation.ts'
import { workerDefaults } from './worker-defaults.ts'

/** A source that runs for a test. */
export interface SourceTester extends AsyncDisposable {
  /**
   * The next `count` records, as the source gave them. What was given counts as durable, and its
   * offsets as written, unless `isDurable` is false.
   *
   * @throws Error when `timeoutMs` (10 s) is over, with how many came.
   */
  read(
    count: number,
    options?: { timeoutMs?: number; isDurable?: boolean },
  ): Promise<SourceRecord[]>
  /** The offset that is written for a partition of the source. */
  offset(partition: ConnectObject): ConnectObject | undefined
  /** Stops the task and starts another, which goes on by the offsets: as after a crash. */
  restart(): Promise<void>
  stop(): Promise<void>
}

/**
 * Starts a source with a configuration, which is checked as a worker checks it.
 *
 * @throws ConnectError `CONNECT_BAD_REQUEST` that lists what is wrong with the configuration.
 */
export async function testSource(plugin: SourcePlugin, options: ConfigMap): Promise<SourceTester> {
  const config = { name: 'test', 'connector.class': plugin.className, ...options }
  requireValid(validateConfig(plugin, config, workerDefaults, false))
  const offsets = new Map<string, ConnectObject>()
  const keyOf = (partition: ConnectObject): string => JSON.stringify(partition)
  let left: SourceRecord[] = []
  let task: SourceTask | undefined
  const start = async (): Promise<void> => {
    task = plugin.createTask(config, {
      connector: 'test',
      task: 0,
      clock: systemClock,
      random: systemRandom,
      logger: silent,
      resolveHost: (host) => host,
      readOffset: (partition) => offsets.get(keyOf(partition)),
      writeOffset: async (partition, offset) => {
        offsets.set(keyOf(partition), offset)
      },
      onReadyChange: () => {},
    })
    await task.start()
  }
  const stop = async (): Promise<void> => {
    left = []
    await task?.stop()
    task = undefined
  }
  await start()
  return {
    async read(count, { timeoutMs = 10_000, isDurable = true } = {}) {
      const signal = AbortSignal.timeout(timeoutMs)
      while (left.length < count && !signal.aborted) left.push(...(await task!.poll(signal)))
      if (left.length < count)
        throw new Error(`${left.length} of ${count} records came within ${timeoutMs} ms`)
      const records = left.splice(0, count)
      if (isDurable) {
        for (const { sourcePartition, sourceOffset } of records)
          if (sourcePartition && sourceOffset) offsets.set(keyOf(sourcePartition), sourceOffset)
        task!.commit(count)
      }
      return records
    },
    offset: (partition) => offsets.get(keyOf(partition)),
    async restart() {
      await stop()
      await start()
    },
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

const nothing = (): void => {}
const silent = { error: nothing, warn: nothing, info: nothing, debug: nothing, trace: nothing }
