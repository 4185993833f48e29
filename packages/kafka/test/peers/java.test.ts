import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { dataFolder, type StartedBroker, startBroker } from '../helpers.ts'
import { runner } from './java.ts'

const releases = [
  {
    name: 'Kafka 4.3',
    mode: 'kraft',
    producer: 'org.apache.kafka.tools.ConsoleProducer',
    acls: 'org.apache.kafka.tools.AclCommand',
    dump: 'org.apache.kafka.tools.DumpLogSegments',
  },
  {
    name: 'Kafka 3.9',
    mode: 'zookeeper',
    producer: 'kafka.tools.ConsoleProducer',
    acls: 'kafka.admin.AclCommand',
    dump: 'kafka.tools.DumpLogSegments',
  },
] as const

/** The tool's own is 5 s. */
const patient = ['--timeout', '60000']
const groupCommand = 'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand'
const topicCommand = 'org.apache.kafka.tools.TopicCommand'

for (const release of releases) {
  const at = ({ address }: StartedBroker): string[] => ['--bootstrap-server', address]

  test(`the console tools of ${release.name} write, read in a group, and administer`, async (t) => {
    const run = runner(release.mode)
    const started = await startBroker(t, {
      'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      'allow.everyone.if.no.acl.found': true,
    })
    const server = at(started)
    const partitions = ['--partitions', '2', '--config', 'segment.bytes=1048576']
    await run('', topicCommand, ...server, '--create', '--topic', 'frames', ...partitions)
    const described = await run('', topicCommand, ...server, '--describe', '--topic', 'frames')
    assert.match(
      described,
      /PartitionCount: 2\s+ReplicationFactor: 1\s+Configs: segment.bytes=1048576/,
    )
    const values = Array.from({ length: 100 }, (_, index) => `value-${index}`)
    await run(`${values.join('\n')}\n`, release.producer, ...server, '--topic', 'frames')
    const consume = ['--topic', 'frames', '--from-beginning', '--max-messages', '100']
    const consumer = 'org.apache.kafka.tools.consumer.ConsoleConsumer'
    const read = await run('', consumer, ...server, ...consume, '--group', 'readers')
    for (const value of values) assert.ok(read.split('\n').includes(value), value)
    const group = await run(
      '',
      groupCommand,
      ...server,
      ...patient,
      '--describe',
      '--group',
      'readers',
    )
    assert.match(group, /readers\s+frames\s+\d\s+100\s+100\s+0/)
    const more = ['--alter', '--topic', 'frames', '--partitions', '3']
    await run('', topicCommand, ...server, ...more)
    const entity = ['--entity-type', 'topics', '--entity-name', 'frames']
    const alter = ['--alter', ...entity, '--add-config', 'max.message.bytes=5000']
    await run('', 'kafka.admin.ConfigCommand', ...server, ...alter)
    const configs = await run('', 'kafka.admin.ConfigCommand', ...server, '--describe', ...entity)
    assert.match(configs, /max.message.bytes=5000/)
    const offsets = await run(
      '',
      'org.apache.kafka.tools.GetOffsetShell',
      ...server,
      '--topic',
      'frames',
    )
    assert.match(offsets, /frames:\d:100/)
    const file = path.join(dataFolder(), 'delete.json')
    const partition = Number(/frames:(\d):100/.exec(offsets)?.[1])
    const wanted = [{ topic: 'frames', partition, offset: 5 }]
    writeFileSync(file, JSON.stringify({ partitions: wanted, version: 1 }))
    const records = ['--offset-json-file', file]
    const deleted = await run(
      '',
      'org.apache.kafka.tools.DeleteRecordsCommand',
      ...server,
      ...records,
    )
    assert.match(deleted, /low_watermark: 5/)
    await run('', groupCommand, ...server, ...patient, '--delete', '--group', 'readers')
    const acl = ['--deny-principal', 'User:bob', '--operation', 'Write', '--topic', 'frames']
    await run('', release.acls, ...server, '--add', ...acl)
    assert.match(await run('', release.acls, ...server, '--list'), /User:bob.*WRITE.*DENY/)
    await run('', release.acls, ...server, '--remove', '--force', ...acl)
    await run('', topicCommand, ...server, '--delete', '--topic', 'frames')
    const list = await run('', topicCommand, ...server, '--list')
    assert.ok(!list.includes('frames'))
  })

  test(`kafka-dump-log of ${release.name} reads our segments and finds nothing wrong`, async (t) => {
    const run = runner(release.mode)
    const started = await startBroker(t)
    const values = Array.from({ length: 2_000 }, (_, index) => `value ${index} ${'x'.repeat(50)}`)
    const zipped = ['--compression-codec', 'zstd', '--batch-size', '1000']
    const input = `${values.join('\n')}\n`
    await run(input, release.producer, ...at(started), '--topic', 'dump', ...zipped)
    await started.broker.stop()
    const stem = path.join(started.data, 'dump-0', '00000000000000000000')
    const log = await run('', release.dump, '--deep-iteration', '--files', `${stem}.log`)
    assert.match(log, /offset: 1999/)
    assert.match(log, /compresscodec: zstd/)
    const indexes = `${stem}.index,${stem}.timeindex`
    const checked = await run('', release.dump, '--index-sanity-check', '--files', indexes)
    assert.match(checked, /passed sanity check/)
    const files = `${stem}.log,${indexes}`
    const verified = await run('', release.dump, '--verify-index-only', '--files', files)
    assert.doesNotMatch(verified, /Mismatches|not found|out of order/i)
  })
}
