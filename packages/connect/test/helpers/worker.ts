import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { eventually, temporaryFolder } from '@khlong/core/testing'
import { type ConnectContext, type ConnectOptions, ConnectWorker } from '../../src/index.ts'
import { MemoryKafka } from './memory-kafka.ts'
import { stopsOf } from './stops.ts'

export interface TestWorker {
  readonly worker: ConnectWorker
  readonly kafka: MemoryKafka
  readonly folder: string
  /** Calls REST and gives status and body. */
  call(method: string, path: string, body?: unknown): Promise<{ status: number; body: unknown }>
  /** Makes a connector; throws where that is refused. */
  create(name: string, config: Record<string, unknown>): Promise<void>
  /** Resolved when the first task of a connector is in a state. */
  reach(name: string, state: string): Promise<{ trace?: string }>
}

/** Starts a worker on Kafka in memory, or on what `context` gives; stops it when the test ends. */
export async function startWorker(
  t: TestContext,
  options: ConnectOptions = {},
  context: ConnectContext & { kafka?: MemoryKafka } = {},
): Promise<TestWorker> {
  const kafka = context.kafka ?? new MemoryKafka()
  const stops = stopsOf(t)
  const folder = await temporaryFolder(t)
  const worker = new ConnectWorker(
    {
      listen: 0,
      data: `${folder}/connect`,
      'offset.flush.interval.ms': 20,
      'value.converter.schemas.enable': false,
      'key.converter': 'org.apache.kafka.connect.storage.StringConverter',
      ...options,
    },
    { ...context, kafka },
  )
  stops.push(() => worker.stop())
  await worker.start()
  return { worker, kafka, folder, ...restOf(worker) }
}

/** REST of a worker, for tests. */
export function restOf(worker: ConnectWorker): Pick<TestWorker, 'call' | 'create' | 'reach'> {
  const call: TestWorker['call'] = async (method, path, body) => {
    const response = await fetch(`http://${worker.addresses.http}${path}`, {
      method,
      ...(body === undefined
        ? {}
        : {
            body: typeof body === 'string' ? body : JSON.stringify(body),
            headers: { 'content-type': 'application/json; charset=UTF-8' },
          }),
    })
    const text = await response.text()
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) }
  }
  return {
    call,
    create: async (name, config) => {
      const { status, body } = await call('POST', '/connectors', { name, config })
      if (status !== 201) throw new Error(JSON.stringify(body))
    },
    reach: (name, state) =>
      eventually(async () => {
        const { body } = await call('GET', `/connectors/${name}/tasks/0/status`)
        const status = body as { state?: string; trace?: string }
        assert.equal(status.state, state, JSON.stringify(body))
        return status
      }),
  }
}
