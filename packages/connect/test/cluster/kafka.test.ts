import { test } from 'node:test'
import { temporaryFolder } from '@khlong/core/testing'
import { KafkaBroker } from '@khlong/kafka'
import { stopsOf } from '../helpers/stops.ts'
import { runWorkersScenario } from '../helpers/workers-scenario.ts'

test('workers in processes of their own share connectors and tasks, and survive the death of one', async (t) => {
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
  const servers = Object.values(broker.addresses)[0]!
  await runWorkersScenario({ stops, folder, servers, sessionMs: 1_500 })
})
