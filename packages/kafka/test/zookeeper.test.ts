import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger, systemClock } from '@khlong/core'
import { eventually } from '@khlong/core/testing'
import { ScramClient } from '@khlong/kafka-protocol/security'
import { ZooKeeperServer } from '@khlong/zookeeper'
import { Kafka, logLevel } from 'kafkajs'
import { ZookeeperClient } from '../src/metadata/zookeeper-client.ts'
import { ZookeeperMetadataStore } from '../src/metadata/zookeeper-store.ts'
import { alterConfigs } from './alter-configs.ts'
import { dataFolder, startBroker } from './helpers.ts'
import {
  authenticate,
  handshake,
  openAs,
  secureListeners,
  setScramPassword,
} from './security/secure-broker.ts'
import { createTopic } from './transactional-client.ts'
import { Wire } from './wire.ts'

const connect = (address: string): Kafka =>
  new Kafka({ brokers: [address], logLevel: logLevel.NOTHING, retry: { retries: 0 } })

async function startZookeeper(t: { after(cleanUp: () => Promise<void>): void }): Promise<{
  server: ZooKeeperServer
  address: string
  client: ZookeeperClient
}> {
  const server = new ZooKeeperServer({ listen: 0, data: dataFolder() })
  await server.start()
  const address = server.addresses.zookeeper!
  const session = Promise.withResolvers<void>()
  const client = new ZookeeperClient({
    connect: address,
    sessionTimeoutMs: 10_000,
    onSession: session.resolve,
    onAvailable: () => {},
  })
  client.open()
  await session.promise
  t.after(async () => {
    client.close()
    await server.stop({ deadlineMs: 500 })
  })
  return { server, address, client }
}

test('the znodes of a broker and its topics are those of Kafka', async (t) => {
  const zookeeper = await startZookeeper(t)
  const { broker, address } = await startBroker(t, { 'zookeeper.connect': zookeeper.address })
  const read = async (path: string): Promise<Record<string, unknown>> =>
    JSON.parse((await zookeeper.client.get(path))!.data.toString())
  const [host, port] = address.split(':')
  const registered = await read('/brokers/ids/1')
  assert.deepEqual(registered.endpoints, [`PLAINTEXT://${address}`])
  assert.deepEqual([registered.host, registered.port, registered.version], [host, Number(port), 5])
  assert.equal((await read('/controller')).brokerid, 1)
  const admin = connect(address).admin()
  await admin.connect()
  await admin.createTopics({
    topics: [
      { topic: 'frames', numPartitions: 2, configEntries: [{ name: 'retention.ms', value: '5' }] },
    ],
  })
  const topic = await read('/brokers/topics/frames')
  assert.deepEqual(topic.partitions, { '0': [1], '1': [1] })
  assert.equal(Buffer.from(String(topic.topic_id), 'base64url').byteLength, 16)
  assert.deepEqual((await read('/brokers/topics/frames/partitions/1/state')).isr, [1])
  assert.deepEqual((await read('/config/topics/frames')).config, { 'retention.ms': '5' })
  assert.equal((await admin.describeCluster()).clusterId, (await read('/cluster/id')).id)
  await admin.deleteTopics({ topics: ['frames'] })
  assert.equal(await zookeeper.client.get('/brokers/topics/frames'), undefined)
  await admin.disconnect()
  await broker.stop()
  assert.deepEqual(await zookeeper.client.children('/brokers/ids'), [])
})

test('settings, topics, deletions and ACLs that others write take effect without a restart', async (t) => {
  const { client, address: zk } = await startZookeeper(t)
  const { address } = await startBroker(t, {
    'zookeeper.connect': zk,
    'authorizer.class.name': 'kafka.security.authorizer.AclAuthorizer',
    'allow.everyone.if.no.acl.found': true,
  })
  const kafka = connect(address)
  const admin = kafka.admin()
  await admin.connect()
  await client.create(
    '/brokers/topics/made',
    '{"partitions":{"0":[1]},"topic_id":"AAAAAAAAAAAAAAAAAAAAAQ","version":3}',
  )
  await eventually(async () => assert.ok((await admin.listTopics()).includes('made')))
  await client.ensure('/config/topics/made', '{"version":1,"config":{"max.message.bytes":"300"}}')
  const change = '{"version":2,"entity_path":"topics/made"}'
  await client.create('/config/changes/config_change_', change, 'sequential')
  const producer = kafka.producer()
  await producer.connect()
  const send = (bytes: number) =>
    producer.send({ topic: 'made', messages: [{ value: 'x'.repeat(bytes) }] })
  await eventually(() => assert.rejects(send(500), { type: 'MESSAGE_TOO_LARGE' }))
  await send(10)
  await client.ensure(
    '/kafka-acl/Topic/made',
    '{"version":1,"acls":[{"principal":"User:ANONYMOUS","permissionType":"Deny","operation":"Write","host":"*"}]}',
  )
  await client.create('/kafka-acl-changes/acl_changes_', 'Topic:made', 'sequential')
  await eventually(() => assert.rejects(send(10), { type: 'TOPIC_AUTHORIZATION_FAILED' }))
  await client.create('/admin/delete_topics/made', '')
  await eventually(async () => assert.ok(!(await admin.listTopics()).includes('made')))
  await producer.disconnect()
  await admin.disconnect()
})

test('a broker comes back at once with its topics, also when its old session still lives', async (t) => {
  const { client, address: zk } = await startZookeeper(t)
  const data = dataFolder()
  const first = await startBroker(t, { 'zookeeper.connect': zk, data })
  const kafka = connect(first.address)
  const producer = kafka.producer({ idempotent: true, retry: { retries: 2 } })
  await producer.connect()
  await producer.send({ topic: 'kept', messages: [{ value: 'one' }] })
  await producer.disconnect()
  const before = JSON.parse((await client.get('/brokers/topics/kept'))!.data.toString())
  await first.broker.stop()
  // What a killed broker leaves: its node, owned by the session that its folder remembers.
  const options = { connect: zk, folder: data, brokerId: 1, sessionTimeoutMs: 18_000 }
  const ghost = await ZookeeperMetadataStore.connect({
    ...options,
    connectionTimeoutMs: 5_000,
    clock: systemClock,
    logger: silentLogger,
  })
  await ghost.register({ brokerId: 1, endpoints: [] })
  const again = await startBroker(t, { 'zookeeper.connect': zk, data })
  const admin = connect(again.address).admin()
  await admin.connect()
  assert.deepEqual(await admin.fetchTopicOffsets('kept'), [
    { partition: 0, offset: '1', high: '1', low: '0' },
  ])
  assert.deepEqual(JSON.parse((await client.get('/brokers/topics/kept'))!.data.toString()), before)
  await admin.disconnect()
  await ghost.close()
})

test('without ZooKeeper records still flow, and admin changes are answered with a retriable error', async (t) => {
  const { server, address: zk } = await startZookeeper(t)
  const { address } = await startBroker(t, { 'zookeeper.connect': zk })
  const kafka = connect(address)
  const admin = kafka.admin()
  await admin.connect()
  await admin.createTopics({ topics: [{ topic: 'flow' }] })
  await server.stop({ deadlineMs: 100 })
  const producer = kafka.producer()
  await producer.connect()
  await producer.send({ topic: 'flow', messages: [{ value: 'still' }] })
  await assert.rejects(admin.createTopics({ topics: [{ topic: 'late' }] }))
  assert.deepEqual(await admin.fetchTopicOffsets('flow'), [
    { partition: 0, offset: '1', high: '1', low: '0' },
  ])
  await producer.disconnect()
  await admin.disconnect()
})

test('a broker lives under the path that its connection string names, which it makes', async (t) => {
  const { client, address: zk } = await startZookeeper(t)
  const { address } = await startBroker(t, { 'zookeeper.connect': `${zk}/deep/root` })
  const admin = connect(address).admin()
  await admin.connect()
  await admin.createTopics({ topics: [{ topic: 'under' }] })
  assert.deepEqual(await admin.listTopics(), ['under'])
  assert.deepEqual(await client.children('/deep/root/brokers/topics'), ['under'])
  assert.deepEqual(await client.children('/'), ['deep', 'zookeeper'])
  await admin.disconnect()
})

test('SCRAM credentials lie in ZooKeeper as Kafka 3.9 keeps them, and those of others count at once', async (t) => {
  const { client, address: zk } = await startZookeeper(t)
  const { broker } = await startBroker(t, { ...secureListeners, 'zookeeper.connect': zk })
  const sasl = broker.addresses.SASL_PLAINTEXT!
  const admin = await openAs(sasl, 'admin')
  // The name of a node is encoded; a quota of the user stays where it is.
  const node = '/config/users/dora%20%2A'
  await client.ensure(node, '{"version":1,"config":{"producer_byte_rate":"1000"}}')
  await setScramPassword(admin, 'dora *', 'dora-secret', 'SCRAM-SHA-256')
  const { config } = JSON.parse((await client.get(node))!.data.toString())
  assert.equal(config.producer_byte_rate, '1000')
  assert.match(config['SCRAM-SHA-256'], /^salt=.+,stored_key=.+,server_key=.+,iterations=4096$/)
  const [change] = (await client.children('/config/changes'))!.slice(-1)
  assert.deepEqual(JSON.parse((await client.get(`/config/changes/${change}`))!.data.toString()), {
    version: 2,
    entity_path: 'users/dora%20%2A',
  })
  const login = async (password: string): Promise<number> => {
    const wire = await Wire.open(sasl)
    const scram = new ScramClient({
      mechanism: 'SCRAM-SHA-256',
      username: 'eve',
      password,
      nonce: 'abc',
    })
    await handshake(wire, 'SCRAM-SHA-256')
    const challenge = await authenticate(wire, scram.firstMessage)
    const { errorCode } = await authenticate(wire, scram.finalMessage(challenge.authBytes))
    wire.close()
    return errorCode
  }
  assert.notEqual(await login('pencil'), 0)
  // RFC 7677's example, as kafka-configs of 3.9 writes it into ZooKeeper by itself.
  const credential =
    'salt=W22ZaJ0SNY7soEsUEjb6gQ==,stored_key=WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,server_key=wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=,iterations=4096'
  await client.ensure(
    '/config/users/eve',
    JSON.stringify({ version: 1, config: { 'SCRAM-SHA-256': credential } }),
  )
  const notify = (): Promise<boolean> =>
    client.create(
      '/config/changes/config_change_',
      '{"version":2,"entity_path":"users/eve"}',
      'sequential',
    )
  await notify()
  await eventually(async () => assert.equal(await login('pencil'), 0))
  await client.set('/config/users/eve', '{"version":1,"config":{}}')
  await notify()
  await eventually(async () => assert.notEqual(await login('pencil'), 0))
  admin.close()
})

test("settings of every broker lie where Kafka has them, and another's setting is in nobody's way", async (t) => {
  const { client, address: zk } = await startZookeeper(t)
  const foreign = '{"version":1,"config":{"log.cleaner.threads":"2"}}'
  await client.ensure('/config/brokers/<default>', foreign)
  const { address } = await startBroker(t, { 'zookeeper.connect': zk })
  const wire = await Wire.open(address)
  t.after(() => wire.close())
  assert.deepEqual(await alterConfigs(wire, 4, '', { 'log.retention.ms': '7' }), [0, null])
  assert.deepEqual(await alterConfigs(wire, 4, '1', { 'log.retention.ms': '8' }), [0, null])
  const configsOf = async (name: string): Promise<unknown> =>
    JSON.parse((await client.get(`/config/brokers/${name}`))!.data.toString()).config
  assert.deepEqual(await configsOf('<default>'), {
    'log.cleaner.threads': '2',
    'log.retention.ms': '7',
  })
  assert.deepEqual(await configsOf('1'), { 'log.retention.ms': '8' })
})

test('changes of one topic that come at once are all made', async (t) => {
  const { client, address: zk } = await startZookeeper(t)
  const { address } = await startBroker(t, { 'zookeeper.connect': zk })
  const first = await Wire.open(address)
  await createTopic(first, 'out', 1)
  const keys = ['retention.ms', 'retention.bytes', 'segment.ms', 'max.message.bytes']
  const wires = [first, ...(await Promise.all(keys.slice(1).map(() => Wire.open(address))))]
  t.after(() => {
    for (const wire of wires) wire.close()
  })
  await Promise.all(
    wires.map((wire, index) => alterConfigs(wire, 2, 'out', { [keys[index]!]: '99' })),
  )
  const { config } = JSON.parse((await client.get('/config/topics/out'))!.data.toString())
  assert.deepEqual(Object.keys(config).sort(), keys.sort())
})
