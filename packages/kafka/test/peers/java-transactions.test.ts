import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { startBroker } from '../helpers.ts'
import { runner } from './java.ts'

const count = 100
const releases = [
  {
    name: 'Kafka 4.3',
    mode: 'kraft',
    dump: 'org.apache.kafka.tools.DumpLogSegments',
    producer: 'org.apache.kafka.tools.ConsoleProducer',
  },
  {
    name: 'Kafka 3.9',
    mode: 'zookeeper',
    dump: 'kafka.tools.DumpLogSegments',
    producer: 'kafka.tools.ConsoleProducer',
  },
] as const

for (const release of releases)
  test(`the clients and tools of ${release.name} copy exactly once, and look into transactions`, async (t) => {
    const run = runner(release.mode)
    const { broker, address, data } = await startBroker(t)
    const server = ['--bootstrap-server', address]
    for (const topic of ['in', 'out'])
      await run(
        '',
        'org.apache.kafka.tools.TopicCommand',
        ...[...server, '--create', '--topic', topic, '--partitions', '3'],
      )
    const values = Array.from({ length: count }, (_, index) => `=${index}`)
    await run(`${values.join('\n')}\n`, release.producer, ...server, '--topic', 'in')
    const copier = fileURLToPath(new URL('./ExactlyOnceCopier.java', import.meta.url))
    const copied = await run('', copier, address, `${count}`)
    assert.match(copied, /fenced/)
    assert.match(copied, new RegExp(`copied ${count} in`))
    const consumer = 'org.apache.kafka.tools.consumer.ConsoleConsumer'
    const read = ['--topic', 'out', '--from-beginning', '--timeout-ms', '6000']
    const committed = await run(
      '',
      consumer,
      ...server,
      ...read,
      '--isolation-level',
      'read_committed',
    )
    const lines = committed.split('\n').filter((line) => /^(=|zombie|left)/.test(line))
    assert.deepEqual(lines.sort(), values.toSorted())
    const tool = 'org.apache.kafka.tools.TransactionsCommand'
    assert.match(await run('', tool, ...server, 'list'), /java\s+\d+\s+\d+\s+Ongoing/)
    const described = await run('', tool, ...server, 'describe', '--transactional-id', 'java')
    assert.match(described, /Ongoing.*out-\d/s)
    let hanging = ''
    for (const partition of ['0', '1', '2']) {
      const at = ['--topic', 'out', '--partition', partition]
      const producers = await run('', tool, ...server, 'describe-producers', ...at)
      const open = /^\d+\s+(\d+)\s+\d+\s+-?\d+\s+\d+\s+(\d+)\s*$/m.exec(producers)
      if (!open) continue
      hanging = partition
      await run('', tool, ...server, 'abort', ...at, '--start-offset', open[2]!)
      const after = await run('', tool, ...server, 'describe-producers', ...at)
      assert.match(after, /None/)
    }
    assert.notEqual(hanging, '')
    const find = await run('', tool, ...server, 'find-hanging', '--topic', 'out')
    assert.ok(!/^\S*out\s/m.test(find), find)
    const offsets = 'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand'
    // The tool's own time-out is 5 s.
    const group = await run(
      '',
      offsets,
      ...[...server, '--timeout', '60000', '--describe', '--group', 'java-copiers'],
    )
    assert.equal(
      [...group.matchAll(/java-copiers\s+in\s+\d\s+(\d+)\s+(\d+)\s+0\s/g)].length > 0,
      true,
      group,
    )
    await broker.stop()
    const dump = async (folder: string, file: string, ...more: string[]): Promise<string> =>
      run('', release.dump, ...more, '--files', path.join(data, folder, file))
    const first = '00000000000000000000'
    const state = await dump('__transaction_state-0', `${first}.log`, '--transaction-log-decoder')
    assert.match(state, /transactionalId(=|":")java/)
    assert.match(state, /state=CompleteCommit|"transactionStatus":4/)
    assert.match(state, /state=CompleteAbort|"transactionStatus":5/)
    const kept = await dump('__consumer_offsets-0', `${first}.log`, '--offsets-decoder')
    assert.match(kept, /java-copiers/)
    assert.match(kept, /endTxnMarker: COMMIT/)
    let aborted = 0
    for (const partition of [0, 1, 2]) {
      const folder = `out-${partition}`
      for (const file of readdirSync(path.join(data, folder)).filter((name) =>
        name.endsWith('.txnindex'),
      ))
        aborted +=
          (await dump(folder, file)).match(/producerId: \d+ firstOffset: \d+ lastOffset: \d+/g)
            ?.length ?? 0
      for (const file of readdirSync(path.join(data, folder)).filter((name) =>
        name.endsWith('.snapshot'),
      ))
        assert.match(await dump(folder, file), /producerId: \d+ producerEpoch: \d+/)
    }
    assert.ok(aborted > 0)
  })
