import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { eventually } from '@khlong/core/testing'
import type { ConnectorStatus } from '../../src/runtime/herder.ts'
import { spawnWorker } from '../peers/engines.ts'
import type { Stops } from './stops.ts'

const sinkClass = 'org.apache.kafka.connect.file.FileStreamSinkConnector'
const sourceClass = 'org.apache.kafka.connect.file.FileStreamSourceConnector'

export interface WorkersScenario {
  readonly stops: Stops
  readonly folder: string
  readonly servers: string
  /** How long Kafka waits for a worker that says nothing. */
  readonly sessionMs: number
}

/** Two workers in processes of their own share the work of one Kafka, and each is killed once. */
export async function runWorkersScenario({
  stops,
  folder,
  servers,
  sessionMs,
}: WorkersScenario): Promise<void> {
  const worker = (name: string) =>
    spawnWorker(stops, {
      'bootstrap.servers': servers,
      data: `${folder}/${name}`,
      'session.timeout.ms': sessionMs,
      'heartbeat.interval.ms': 100,
      'scheduled.rebalance.max.delay.ms': 500,
      'key.converter': 'org.apache.kafka.connect.storage.StringConverter',
      'value.converter': 'org.apache.kafka.connect.storage.StringConverter',
    })
  let [first, second] = await Promise.all([worker('one'), worker('two')])
  const put = async (name: string, config: Record<string, string>): Promise<void> => {
    const response = await fetch(`http://${second.addresses.http}/connectors/${name}/config`, {
      method: 'PUT',
      body: JSON.stringify(config),
    })
    assert.equal(response.status, 201, await response.text())
  }
  await writeFile(`${folder}/in`, 'l0\n')
  await put('in', { 'connector.class': sourceClass, topic: 'lines', file: `${folder}/in` })
  for (const name of ['a', 'b', 'c'])
    await put(name, { 'connector.class': sinkClass, topics: 'lines', file: `${folder}/${name}` })

  const shares = async (address: string): Promise<Record<string, number>> => {
    const response = await fetch(`http://${address}/connectors?expand=status`)
    const counts: Record<string, number> = {}
    for (const { status } of Object.values(
      (await response.json()) as Record<string, { status: ConnectorStatus }>,
    ))
      for (const { state, worker_id: id } of [status.connector, ...status.tasks])
        if (state === 'RUNNING') counts[id] = (counts[id] ?? 0) + 1
    return counts
  }
  const ids = (): [string, string] => [first.addresses.http!, second.addresses.http!]
  const arrived = (lines: string[]): Promise<void> =>
    eventually(async () => {
      for (const name of ['a', 'b', 'c']) {
        const text = await readFile(`${folder}/${name}`, 'utf8')
        // Sinks are at-least-once: what was not committed when a worker died comes again.
        assert.deepEqual([...new Set(text.trim().split('\n'))], lines)
      }
    }, 30_000)
  await eventually(
    async () => assert.deepEqual(await shares(ids()[0]), { [ids()[0]]: 4, [ids()[1]]: 4 }),
    30_000,
  )
  await arrived(['l0'])

  // Killed: nobody is told. Its work waits for it, then the other takes it.
  await first.kill()
  await writeFile(`${folder}/in`, 'l0\nl1\n')
  await eventually(async () => assert.deepEqual(await shares(ids()[1]), { [ids()[1]]: 8 }), 15_000)
  await arrived(['l0', 'l1'])

  first = await worker('one')
  await eventually(
    async () => assert.deepEqual(await shares(ids()[0]), { [ids()[0]]: 4, [ids()[1]]: 4 }),
    30_000,
  )
  // Killed and back at once: it takes its own former place out of the group, and waits for nobody.
  await second.kill()
  second = await worker('two')
  await writeFile(`${folder}/in`, 'l0\nl1\nl2\n')
  await eventually(
    async () => assert.deepEqual(await shares(ids()[0]), { [ids()[0]]: 4, [ids()[1]]: 4 }),
    30_000,
  )
  await arrived(['l0', 'l1', 'l2'])
}
