import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ApiKey, ErrorCode } from '@khlong/kafka-protocol'
import {
  decodeDescribeConfigsResponse,
  encodeDescribeConfigsRequest,
} from '@khlong/kafka-protocol/messages/describe-configs'
import { alterConfigs } from '../alter-configs.ts'
import { startBroker } from '../helpers.ts'
import { createTopic } from '../transactional-client.ts'
import { Wire } from '../wire.ts'

const topic = 2
const broker = 4
/** Where DescribeConfigs says that values come from. */
const source = { topic: 1, own: 2, everyBroker: 3, given: 4, default: 5 } as const

async function describe(wire: Wire, resourceType: number, resourceName: string) {
  const resources = [{ resourceType, resourceName, configurationKeys: null }]
  const reader = await wire.send(ApiKey.describeConfigs, 4, (writer) =>
    encodeDescribeConfigsRequest(writer, { resources, includeSynonyms: true }, 4),
  )
  const [answer] = decodeDescribeConfigsResponse(reader, 4).results
  assert.equal(answer!.errorCode, 0)
  return new Map(
    answer!.configs.map(({ name, value, configSource, synonyms }) => [
      name,
      {
        value,
        configSource,
        synonyms: synonyms.map((one) => [one.name, one.value, one.source]),
      },
    ]),
  )
}

test('settings of every broker and of this one stand apart, and over what was given at the start', async (t) => {
  const { address } = await startBroker(t, { 'log.segment.bytes': 50_000_000 })
  const wire = await Wire.open(address)
  t.after(() => wire.close())
  await createTopic(wire, 'out', 1)
  const segmentBytes = async () => (await describe(wire, topic, 'out')).get('segment.bytes')
  assert.deepEqual(await alterConfigs(wire, broker, '', { 'log.segment.bytes': '40000000' }), [
    0,
    null,
  ])
  assert.deepEqual(await alterConfigs(wire, broker, '1', { 'log.segment.bytes': '30000000' }), [
    0,
    null,
  ])
  const chain = [
    ['log.segment.bytes', '30000000', source.own],
    ['log.segment.bytes', '40000000', source.everyBroker],
    ['log.segment.bytes', '50000000', source.given],
    ['log.segment.bytes', '1073741824', source.default],
  ]
  const own = { value: '30000000', configSource: source.own, synonyms: chain }
  assert.deepEqual(await segmentBytes(), own)
  assert.deepEqual((await describe(wire, broker, '1')).get('log.segment.bytes'), own)
  assert.deepEqual(
    [...(await describe(wire, broker, ''))],
    [
      [
        'log.segment.bytes',
        { value: '40000000', configSource: source.everyBroker, synonyms: [chain[1]] },
      ],
    ],
  )
  await alterConfigs(wire, broker, '1', { 'log.segment.bytes': null })
  assert.equal((await segmentBytes())!.value, '40000000')
  await alterConfigs(wire, broker, '', { 'log.segment.bytes': null })
  assert.equal((await segmentBytes())!.value, '50000000')
  assert.equal((await describe(wire, broker, '')).size, 0)
})

test('settings of every broker outlive a restart', async (t) => {
  const first = await startBroker(t)
  const wire = await Wire.open(first.address)
  await alterConfigs(wire, broker, '', { 'log.retention.ms': '7' })
  wire.close()
  await first.broker.stop()
  const again = await Wire.open((await startBroker(t, { data: first.data })).address)
  t.after(() => again.close())
  const kept = (await describe(again, broker, '')).get('log.retention.ms')
  assert.deepEqual([kept?.value, kept?.configSource], ['7', source.everyBroker])
})

test('what nobody set is told as a default, in the names and numbers of Kafka', async (t) => {
  const { address, data } = await startBroker(t, { 'log.retention.hours': 24 })
  const wire = await Wire.open(address)
  t.after(() => wire.close())
  await createTopic(wire, 'out', 1)
  const ofBroker = await describe(wire, broker, '1')
  const value = (name: string) => [ofBroker.get(name)?.value, ofBroker.get(name)?.configSource]
  assert.deepEqual(value('message.max.bytes'), ['1048588', source.default])
  assert.deepEqual(value('log.cleaner.max.compaction.lag.ms'), [
    '9223372036854775807',
    source.default,
  ])
  assert.deepEqual(value('log.flush.interval.ms'), [null, source.default])
  assert.deepEqual(value('log.dirs'), [data, source.given])
  assert.deepEqual(value('listeners'), ['PLAINTEXT://127.0.0.1:0', source.given])
  assert.deepEqual(value('node.id'), ['1', source.given])
  assert.deepEqual(value('log.retention.ms'), [null, source.default])
  await alterConfigs(wire, broker, '1', { 'log.retention.ms': '7' })
  assert.deepEqual((await describe(wire, broker, '1')).get('log.retention.ms')?.synonyms, [
    ['log.retention.ms', '7', source.own],
    ['log.retention.hours', '24', source.given],
    ['log.retention.hours', '168', source.default],
  ])
  await alterConfigs(wire, broker, '1', { 'log.retention.ms': null })
  const ofTopic = await describe(wire, topic, 'out')
  assert.deepEqual(ofTopic.get('retention.ms'), {
    value: '86400000',
    configSource: source.default,
    synonyms: [],
  })
  // What Kafka 4.3 has, tiered storage included.
  assert.equal(ofTopic.size, 33)
  assert.equal(ofTopic.get('remote.storage.enable')?.value, 'false')
})

test('settings are refused with the codes and words of Kafka', async (t) => {
  const wire = await Wire.open((await startBroker(t)).address)
  t.after(() => wire.close())
  await createTopic(wire, 'out', 1)
  const { invalidConfig, invalidRequest } = ErrorCode
  const refused = async (
    resourceType: number,
    resourceName: string,
    change: Readonly<Record<string, string>>,
  ) => alterConfigs(wire, resourceType, resourceName, change)
  assert.deepEqual(await refused(broker, '1', { 'num.partitions': '5' }), [
    invalidRequest,
    'Cannot update these configs dynamically: [num.partitions]',
  ])
  assert.deepEqual(await refused(broker, '1', { 'message.max.bytes': 'abc' }), [
    invalidRequest,
    'Invalid value abc for configuration message.max.bytes: Not a number of type INT',
  ])
  assert.deepEqual(await refused(broker, '7', { 'message.max.bytes': '5' }), [
    invalidRequest,
    'Unexpected broker id, expected 1 or empty string, but received 7',
  ])
  const unsupported = (what: string) => [
    invalidRequest,
    `Settings of ${what} are not supported yet.`,
  ]
  assert.deepEqual(await refused(8, '1', { root: 'DEBUG' }), unsupported('broker loggers'))
  assert.deepEqual(await refused(16, 'm', { match: 'a' }), unsupported('client metrics'))
  assert.deepEqual(await refused(32, 'g', { a: 'b' }), unsupported('groups'))
  const lag = { 'min.compaction.lag.ms': '10', 'max.compaction.lag.ms': '5' }
  assert.deepEqual(await refused(topic, 'out', lag), [
    invalidConfig,
    'conflict topic config setting min.compaction.lag.ms (10) > max.compaction.lag.ms (5)',
  ])
  assert.equal((await describe(wire, topic, 'out')).get('min.compaction.lag.ms')?.value, '0')
  for (const [key, value, problem] of [
    ['cleanup.policy', 'foo', 'String must be one of: compact, delete'],
    ['message.timestamp.type', 'foo', 'String must be one of: CreateTime, LogAppendTime'],
    ['compression.gzip.level', '0', 'Value must be between 1 and 9 or equal to -1'],
    ['remote.storage.enable', 'true', 'tiered storage is not supported yet'],
    [
      'leader.replication.throttled.replicas',
      'foo',
      "must be the literal '*' or a list of replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],...",
    ],
  ] as const)
    assert.deepEqual(await refused(topic, 'out', { [key]: value }), [
      invalidConfig,
      `Invalid value ${value} for configuration ${key}: ${problem}`,
    ])
  // Kafka takes these.
  for (const change of [
    { 'unclean.leader.election.enable': 'TRUE' },
    { 'retention.ms': ' 100 ' },
    { 'cleanup.policy': '' },
    { 'leader.replication.throttled.replicas': '0:1,1:1' },
    { 'follower.replication.throttled.replicas': '*' },
    { 'local.retention.ms': '5' },
  ])
    assert.deepEqual(await alterConfigs(wire, topic, 'out', change), [0, null])
  const append = 2
  assert.deepEqual(
    await alterConfigs(wire, broker, '1', { 'log.cleanup.policy': 'compact' }, append),
    [0, null],
  )
  assert.equal(
    (await describe(wire, broker, '1')).get('log.cleanup.policy')?.value,
    'delete,compact',
  )
})

test('a topic’s setting that the broker’s has a value for tells of the ones that it takes the place of', async (t) => {
  const { address } = await startBroker(t)
  const wire = await Wire.open(address)
  t.after(() => wire.close())
  await createTopic(wire, 'out', 1)
  const told = async () => (await describe(wire, topic, 'out')).get('retention.ms')!.synonyms
  assert.deepEqual(await told(), [])
  await alterConfigs(wire, broker, '1', { 'log.retention.ms': '123456' })
  assert.deepEqual(await told(), [
    ['log.retention.ms', '123456', source.own],
    ['log.retention.hours', '168', source.default],
  ])
})
