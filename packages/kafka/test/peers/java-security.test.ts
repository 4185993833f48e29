import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { ZooKeeperServer } from '@khlong/zookeeper'
import { dataFolder, startBroker } from '../helpers.ts'
import { secureListeners, tlsFile } from '../security/secure-broker.ts'
import { runner } from './java.ts'

const configs = 'kafka.admin.ConfigCommand'
const consumer = 'org.apache.kafka.tools.consumer.ConsoleConsumer'
const topics = 'org.apache.kafka.tools.TopicCommand'
const groups = 'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand'
const releases = [
  {
    name: 'Kafka 4.3',
    mode: 'kraft',
    producer: 'org.apache.kafka.tools.ConsoleProducer',
    acls: 'org.apache.kafka.tools.AclCommand',
  },
  {
    name: 'Kafka 3.9',
    mode: 'zookeeper',
    producer: 'kafka.tools.ConsoleProducer',
    acls: 'kafka.admin.AclCommand',
  },
] as const

/** A properties file of a Java client. */
function propertiesOf(name: string, properties: Readonly<Record<string, string>>): string {
  const file = path.join(dataFolder(), `${name}.properties`)
  const trust = {
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.location': tlsFile('ca.crt'),
  }
  const lines = Object.entries({ ...trust, ...properties }).map(([key, value]) => `${key}=${value}`)
  writeFileSync(file, lines.join('\n'))
  return file
}

const login = (name: string, mechanism: string, password: string): string => {
  const module = mechanism === 'PLAIN' ? 'plain.PlainLoginModule' : 'scram.ScramLoginModule'
  return propertiesOf(name, {
    'security.protocol': 'SASL_SSL',
    'sasl.mechanism': mechanism,
    'sasl.jaas.config': `org.apache.kafka.common.security.${module} required username="${name}" password="${password}";`,
  })
}

/** What a tool printed, whether it ended well or not. */
const told = (running: Promise<string>): Promise<string> =>
  running.catch((error: Error) => error.message)

for (const release of releases)
  test(`${release.name}: users are made by kafka-configs, let in over TLS, and do what ACLs allow`, async (t) => {
    const zookeeper = new ZooKeeperServer({ listen: 0, data: dataFolder() })
    await zookeeper.start()
    t.after(() => zookeeper.stop({ deadlineMs: 500 }))
    const { broker } = await startBroker(t, {
      ...secureListeners,
      'zookeeper.connect': zookeeper.addresses.zookeeper!,
      'ssl.client.auth': 'required',
      'ssl.principal.mapping.rules': 'RULE:^CN=([^,]+),.*$/certified-$1/L,DEFAULT',
      'authorizer.class.name': 'kafka.security.authorizer.AclAuthorizer',
      'super.users': 'User:admin',
      'auto.create.topics.enable': false,
    })
    const run = runner(release.mode)
    const { SASL_SSL, SSL } = broker.addresses
    const server = ['--bootstrap-server', SASL_SSL!]
    const admin = ['--command-config', login('admin', 'PLAIN', 'admin-secret')]
    const user = ['--entity-type', 'users', '--entity-name', 'dora']
    const scram = 'SCRAM-SHA-256=[iterations=8192,password=dora-secret],SCRAM-SHA-512=[password=x]'
    await run('', configs, ...server, ...admin, '--alter', ...user, '--add-config', scram)
    const described = await run('', configs, ...server, ...admin, '--describe', ...user)
    assert.match(described, /SCRAM credential configs for user-principal 'dora'.*iterations=8192/)
    await run(
      '',
      configs,
      ...server,
      ...admin,
      ...['--alter', ...user, '--delete-config', 'SCRAM-SHA-512'],
    )
    await run('', topics, ...server, ...admin, '--create', '--topic', 'frames')
    const rights = [
      ['--producer', '--topic', 'frames'],
      ['--consumer', '--topic', 'frames', '--group', 'readers'],
    ]
    const who = ['--allow-principal', 'User:dora', '--allow-principal', 'User:certified-alice']
    await Promise.all(
      rights.map((right) => run('', release.acls, ...server, ...admin, '--add', ...who, ...right)),
    )
    const dora = login('dora', 'SCRAM-SHA-256', 'dora-secret')
    const config = release.mode === 'kraft' ? '--command-config' : '--producer.config'
    const write = ['--topic', 'frames', config, dora]
    await run('one\ntwo\n', release.producer, ...server, ...write)
    // By a certificate of her own, in the store that keytool makes.
    const alice = propertiesOf('alice', {
      'security.protocol': 'SSL',
      'ssl.keystore.type': 'PKCS12',
      'ssl.keystore.location': tlsFile('alice.p12'),
      'ssl.keystore.password': 'canal-store',
    })
    const read = ['--topic', 'frames', '--group', 'readers', '--from-beginning']
    const until = ['--max-messages', '2', '--timeout-ms', '60000']
    const consumed = await run(
      '',
      consumer,
      ...['--bootstrap-server', SSL!, ...read, ...until],
      ...[release.mode === 'kraft' ? '--command-config' : '--consumer.config', alice],
    )
    assert.deepEqual(
      consumed.split('\n').filter((line) => /^(one|two)$/.test(line)),
      ['one', 'two'],
    )
    // What nobody allowed is refused by its name.
    const may = ['--command-config', dora]
    const gone = ['--command-config', login('dora', 'SCRAM-SHA-512', 'x')]
    const [create, describe, list] = await Promise.all([
      told(run('', topics, ...server, ...may, '--create', '--topic', 'other')),
      told(
        run(
          '',
          groups,
          ...server,
          ...may,
          '--describe',
          '--group',
          'strangers',
          '--timeout',
          '30000',
        ),
      ),
      told(run('', topics, ...server, ...gone, '--list')),
    ])
    assert.match(create, /TopicAuthorizationException|Authorization failed/)
    assert.match(describe, /GroupAuthorizationException|Not authorized to access group/)
    assert.match(list, /invalid credentials with SASL mechanism SCRAM-SHA-512/)
  })

test('the other tools of Kafka 4.3 say what a broker alone has', async (t) => {
  const { address } = await startBroker(t)
  const run = runner('kraft')
  const server = ['--bootstrap-server', address]
  await run('', topics, ...server, '--create', '--topic', 'frames', '--partitions', '2')
  const tool = 'org.apache.kafka.tools'
  const broker1 = ['--entity-type', 'brokers', '--entity-name', '1']
  const change = ['--alter', ...broker1, '--add-config', 'message.max.bytes=2000000']
  const quota = ['--alter', '--entity-type', 'users', '--entity-name', 'dora']
  const preferred = ['--election-type', 'preferred', '--topic', 'frames', '--partition', '0']
  const dirs = ['--describe', '--topic-list', 'frames']
  const [cluster, described, , features, election, limited] = await Promise.all([
    run('', `${tool}.ClusterTool`, 'cluster-id', ...server),
    run('', `${tool}.LogDirsCommand`, ...server, ...dirs),
    run('', configs, ...server, ...change),
    run('', `${tool}.FeatureCommand`, ...server, 'describe'),
    told(run('', `${tool}.LeaderElectionCommand`, ...server, ...preferred)),
    told(run('', configs, ...server, ...quota, '--add-config', 'producer_byte_rate=1000')),
  ])
  assert.match(cluster, /Cluster ID: \S{22}/)
  assert.match(described, /"partition":"frames-1","size":0,"offsetLag":0/)
  assert.ok(!/Exception/.test(features), features)
  assert.match(election, /Valid replica already elected for partitions frames-0/)
  assert.match(limited, /quotas are not supported yet/)
  const all = await run('', configs, ...server, '--describe', ...broker1)
  assert.match(all, /message\.max\.bytes=2000000/)
})
