import { systemClock, systemRandom } from '@khlong/core'
import type { ConfigMap } from '../config/fields.ts'
import type { Header, SinkRecord } from '../data/record.ts'
import type { ConnectValue, Schema } from '../data/schema.ts'
import type { SinkPlugin } from '../plugin.ts'
import { requireValid, validateConfig } from '../runtime/validation.ts'
import { workerDefaults } from './worker-defaults.ts'

/** A record for a sink; what is left out is empty. */
export interface SinkInput {
  readonly topic?: string
  readonly key?: ConnectValue
  readonly keySchema?: Schema
  readonly value: ConnectValue
  readonly valueSchema?: Schema
  readonly headers?: readonly Header[]
  readonly timestampMs?: number
}

/** A sink that runs for a test. */
export interface SinkTester extends AsyncDisposable {
  /** Gives records, and flushes. @throws what the task throws. */
  put(...records: readonly SinkInput[]): Promise<void>
  /** What the sink refused, with the reason. */
  readonly refused: readonly { readonly record: SinkRecord; readonly error: Error }[]
  stop(): Promise<void>
}

/**
 * Starts a sink with a configuration, which is checked as a worker checks it. Errors are tolerated:
 * they are kept in `refused`.
 *
 * @throws ConnectError `CONNECT_BAD_REQUEST` that lists what is wrong with the configuration.
 */
export async function testSink(plugin: SinkPlugin, options: ConfigMap): Promise<SinkTester> {
  const config = {
    name: 'test',
    'connector.class': plugin.className,
    topics: 'test',
    ...options,
  }
  requireValid(validateConfig(plugin, config, workerDefaults, false))
  const refused: { record: SinkRecord; error: Error }[] = []
  let offset = 0
  const task = plugin.createTask(config, {
    connector: 'test',
    task: 0,
    clock: systemClock,
    random: systemRandom,
    logger: silent,
    resolveHost: (host) => host,
    reportErrant: (record, error) => refused.push({ record, error }),
  })
  await task.start()
  const stop = (): Promise<void> => task.stop()
  return {
    async put(...records) {
      await task.put(records.map((record) => recordOf(record, offset++)))
      await task.flush?.()
    },
    refused,
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

function recordOf(input: SinkInput, offset: number): SinkRecord {
  const { topic = 'test', key = null, value, headers = [], timestampMs = 0 } = input
  return {
    topic,
    partition: 0,
    keySchema: input.keySchema,
    key,
    valueSchema: input.valueSchema,
    value,
    timestampMs,
    headers,
    origin: {
      topic,
      partition: 0,
      offset,
      timestamp: timestampMs,
      key: key === null ? null : Buffer.from(String(key)),
      value: value === null ? null : Buffer.from(JSON.stringify(value) ?? ''),
      headers: [],
    },
  }
}

const nothing = (): void => {}
const silent = { error: nothing, warn: nothing, info: nothing, debug: nothing, trace: nothing }
