import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import { eventually, temporaryFolder } from '@khlong/core/testing'
import { KafkaBroker } from '@khlong/kafka'
import type { ConnectorStatus } from '../../src/runtime/herder.ts'
import { stopsOf } from '../helpers/stops.ts'
import { spawnWorker } from '../peers/engines.ts'

const sinkClass = 'org.apache.kafka.connect.file.FileStreamSinkConnector'
const sourceClass = 'org.apache.kafka.connect.file.FileStreamSourceConnector'

describe('workers in processes of their own against one Kafka', () => {
  test('share connectors and tasks, and survive the death of one', async (t) => {
    const stops = stopsOf(t)
    const folder = await temporaryFolder(t)
    const broker = new KafkaBroker({
      listen: 0,
      data: `${folder}/kafka`,
      'group.initial.rebalance.delay.ms': 0,
      'group.min.session.timeout.ms': 100,
    })
    stops.push(() => broker.stop())
    await broker.start()
    const worker = (name: string) =>
      spawnWorker(stops, {
        'bootstrap.servers': Object.values(broker.addresses)[0],
        data: `${folder}/${name}`,
        'session.timeout.ms': 1_500,
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
      }, 15_000)
    await eventually(async () =>
      assert.deepEqual(await shares(ids()[0]), { [ids()[0]]: 4, [ids()[1]]: 4 }),
    )
    await arrived(['l0'])

    // Killed: nobody is told. Its work waits for it, then the other takes it.
    await first.kill()
    await writeFile(`${folder}/in`, 'l0\nl1\n')
    await eventually(
      async () => assert.deepEqual(await shares(ids()[1]), { [ids()[1]]: 8 }),
      15_000,
    )
    await arrived(['l0', 'l1'])

    first = await worker('one')
    await eventually(async () =>
      assert.deepEqual(await shares(ids()[0]), { [ids()[0]]: 4, [ids()[1]]: 4 }),
    )
    // Killed and back at once: it takes its own former place out of the group, and waits for nobody.
    await second.kill()
    second = await worker('two')
    await writeFile(`${folder}/in`, 'l0\nl1\nl2\n')
    await eventually(async () =>
      assert.deepEqual(await shares(ids()[0]), { [ids()[0]]: 4, [ids()[1]]: 4 }),
    )
    await arrived(['l0', 'l1', 'l2'])
  })
})
