import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import net from 'node:net'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import tls from 'node:tls'
import { fileURLToPath } from 'node:url'
import { SeededRandom, temporaryFolder } from '@khlong/core/testing'
import { peer } from '../../../../tools/peers.ts'
import { hashPassword, MqttBroker, withPassword } from '../../src/index.ts'
import { RawClient } from '../helpers.ts'
import { type AccessCase, type AskedBroker, observe } from './access-cases.ts'

const acl = `# anonymous clients
topic read public/#
topic write inbox
topic deny public/secret

user admin
topic readwrite #
topic read $SYS/#

user alice
topic read sensors/+/temperature
topic write commands/alice
topic readwrite rooms/#
topic deny rooms/safe
topic readwrite both ways

user bob smith
topic write  bob's things

user CN=alice,O=Khlong
topic write of/alice

user CN=Zo\\C3\\AB \\"x\\"\\, y\\+z,O=Khlong
topic write of/zoe

user dave
topic deny #

pattern readwrite devices/%c/#
pattern read users/%u/inbox
pattern write %u-%c/out
pattern deny devices/+/hidden
`

const users = ['admin', 'alice', 'bob smith', 'carol', 'dave', 'we+ird', 'slash/y']

async function writeUsers(folder: string): Promise<void> {
  const file = path.join(folder, 'passwd')
  await writeFile(file, '')
  for (const user of users) {
    const hash = user === 'carol' ? 'sha512' : 'sha512-pbkdf2'
    execFileSync('mosquitto_passwd', ['-H', hash, '-b', file, user, `${user}-secret`])
  }
  // What we hash is as good to Mosquitto as its own.
  const own = withPassword(
    await readFile(file, 'utf8'),
    'alice',
    await hashPassword('alice-secret'),
  )
  await writeFile(file, own)
  await writeFile(path.join(folder, 'acl'), acl)
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => net.createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const ports = servers.map((server) => (server.address() as net.AddressInfo).port)
  await Promise.all(servers.map((server) => once(server.close(), 'close')))
  return ports
}

/** Both brokers with the same file; `%1`, `%2`… stand for the ports. */
async function both(
  t: TestContext,
  template: string,
): Promise<{
  ours: AskedBroker
  mosquitto: AskedBroker
  folder: string
  reload: Record<string, () => Promise<void>>
}> {
  const folder = await temporaryFolder(t)
  await writeUsers(folder)
  const count = new Set(template.match(/%\d/g)).size
  const ports = await freePorts(2 * count)
  const start = async (name: string, mine: readonly number[]): Promise<string> => {
    const file = path.join(folder, `${name}.conf`)
    const text = template
      .replace(/%(\d)/g, (_, index) => String(mine[Number(index) - 1]))
      .replaceAll('%f', folder)
    // As root Mosquitto becomes somebody else, who may not read the folder of a test.
    await writeFile(file, `${process.getuid?.() === 0 ? 'user root\n' : ''}${text}`)
    return file
  }
  const asked = (mine: readonly number[]): AskedBroker => ({
    connect: (listener, version, certificate) =>
      certificate === undefined
        ? new RawClient(mine[listener]!, version)
        : secureClient(mine[listener]!, version, certificate),
  })
  const [theirs, own] = [ports.slice(0, count), ports.slice(count)]
  const child = spawn(peer('mosquitto'), ['-c', await start('theirs', theirs)], { stdio: 'ignore' })
  t.after(() => {
    child.kill('SIGKILL')
  })
  await reachable(theirs)
  const broker = new MqttBroker({
    config_file: await start('ours', own),
    persistence: false,
    login_delay_max: 0,
  })
  t.after(() => broker.stop({ deadlineMs: 100 }))
  await broker.start()
  const reload = {
    ours: () => broker.reload(),
    mosquitto: async () => {
      child.kill('SIGHUP')
      // It says nothing when it is done.
      await delay(150)
    },
  }
  return { ours: asked(own), mosquitto: asked(theirs), folder, reload }
}

async function reachable(ports: readonly number[]): Promise<void> {
  const deadline = Date.now() + 5_000
  for (const port of ports)
    for (;;) {
      const socket = net.connect(port, '127.0.0.1')
      const isOpen = await once(socket, 'connect').then(
        () => true,
        () => false,
      )
      socket.destroy()
      if (isOpen) break
      assert.ok(Date.now() < deadline, `mosquitto does not listen on ${port}`)
      await delay(20)
    }
}

const vector = (name: string): string =>
  fileURLToPath(new URL(`../vectors/tls/${name}`, import.meta.url))

/** A client over TLS, with a certificate of that name, or with none. */
function secureClient(port: number, version: number, certificate: string): RawClient {
  const read = (name: string): Buffer => readFileSync(vector(name))
  const own =
    certificate === 'none'
      ? {}
      : { cert: read(`${certificate}.crt`), key: read(`${certificate}.key`) }
  const socket = tls.connect({ port, host: '127.0.0.1', ca: read('ca.crt'), ...own })
  return new RawClient(port, version, socket)
}

/** Asks both the same and compares; gives how many cases there were. */
async function compare(
  t: TestContext,
  { ours, mosquitto }: { ours: AskedBroker; mosquitto: AskedBroker },
  cases: readonly AccessCase[],
): Promise<void> {
  const rows: string[] = []
  const differences: string[] = []
  for (const one of cases) {
    const theirs = await observe(mosquitto, one)
    const own = await observe(ours, one)
    rows.push(`${JSON.stringify(one)} → ${theirs}`)
    if (own !== theirs) differences.push(`${JSON.stringify(one)}: mosquitto ${theirs}; ours ${own}`)
  }
  t.diagnostic(`${cases.length} cases`)
  if (process.env.KHLONG_TABLE) for (const row of rows) t.diagnostic(row)
  assert.deepEqual(differences, [])
}

const alice = 'alice:alice-secret'
const versions = [3, 4, 5] as const

test('who may come in, as Mosquitto decides it', async (t) => {
  const brokers = await both(
    t,
    'listener %1 127.0.0.1\npassword_file %f/passwd\nacl_file %f/acl\nlistener %2 127.0.0.1\n',
  )
  const logins = [
    alice,
    'alice:wrong',
    'alice:',
    'alice',
    'nobody:alice-secret',
    'carol:carol-secret',
    'carol:wrong',
    'bob smith:bob smith-secret',
    ':',
    undefined,
  ]
  const cases: AccessCase[] = []
  for (const version of versions)
    for (const login of logins) cases.push({ version, ...(login === undefined ? {} : { login }) })
  cases.push({ login: alice, listener: 1 }, { listener: 1 }, { login: alice, clientId: 'a+b' })
  await compare(t, brokers, cases)
})

test('what each user may publish and read, as Mosquitto decides it', async (t) => {
  const brokers = await both(
    t,
    'listener %1 127.0.0.1\nallow_anonymous true\npassword_file %f/passwd\nacl_file %f/acl\n',
  )
  const cases: AccessCase[] = []
  const publishes: [string | undefined, string, string][] = [
    [alice, 'client', 'commands/alice'],
    [alice, 'client', 'commands/bob'],
    [alice, 'client', 'sensors/1/temperature'],
    [alice, 'client', 'rooms'],
    [alice, 'client', 'rooms/1/light'],
    [alice, 'client', 'rooms/safe'],
    [alice, 'client', 'both ways'],
    [alice, 'client', 'devices/client/x'],
    [alice, 'client', 'devices/client/hidden'],
    [alice, 'client', 'devices/other/x'],
    [alice, 'client', 'alice-client/out'],
    [alice, 'cl+ient', 'devices/client/x'],
    [alice, 'cl+ient', 'rooms/1/light'],
    [alice, 'cl/ient', 'devices/cl/ient/x'],
    [alice, 'client', '$SYS/broker/uptime'],
    ['bob smith:bob smith-secret', 'client', "bob's things"],
    ['we+ird:we+ird-secret', 'client', 'devices/client/x'],
    ['slash/y:slash/y-secret', 'client', 'slash/y-client/out'],
    ['dave:dave-secret', 'client', 'devices/client/x'],
    ['carol:carol-secret', 'client', 'rooms/1/light'],
    [undefined, 'client', 'inbox'],
    [undefined, 'client', 'public/news'],
    [undefined, 'client', 'devices/client/x'],
  ]
  for (const [login, clientId, topic] of publishes)
    for (const version of [4, 5] as const)
      cases.push({ does: 'publish', version, clientId, topic, ...(login ? { login } : {}) })
  for (const qos of [0, 2] as const)
    for (const topic of ['commands/alice', 'commands/bob'])
      for (const version of versions)
        cases.push({ does: 'publish', version, qos, topic, login: alice })
  const reads: [string | undefined, string][] = [
    [alice, 'sensors/1/temperature'],
    [alice, 'sensors/+/temperature'],
    [alice, 'sensors/#'],
    [alice, '#'],
    [alice, 'rooms/+'],
    [alice, 'rooms/safe'],
    [alice, 'commands/alice'],
    [alice, 'users/alice/inbox'],
    [alice, 'users/bob/inbox'],
    [alice, 'devices/client/#'],
    [alice, 'devices/other/#'],
    [alice, '$share/g/rooms/1'],
    [alice, '$share/g/commands/bob'],
    [undefined, 'public/news'],
    [undefined, 'public/secret'],
    [undefined, 'users/alice/inbox'],
    ['dave:dave-secret', 'devices/client/x'],
  ]
  for (const [login, topic] of reads)
    for (const version of [4, 5] as const)
      cases.push({ does: 'subscribe', version, topic, ...(login ? { login } : {}) })
  for (const topic of ['rooms/1', 'rooms/safe', 'commands/alice', 'public/news'])
    for (const does of ['retained', 'will'] as const)
      for (const version of [4, 5] as const) cases.push({ does, version, topic, login: alice })
  await compare(t, brokers, cases)
})

test('who may come in where there is no password file, or one listener has its own', async (t) => {
  const open = await both(t, 'listener %1 127.0.0.1\nallow_anonymous true\n')
  const shut = await both(t, 'listener %1 127.0.0.1\n')
  const plain: AccessCase[] = [{}, { version: 5 }, { login: 'anyone:word' }, { login: 'anyone' }]
  await compare(t, open, plain)
  await compare(t, shut, plain)
  const prefixed = await both(
    t,
    'listener %1 127.0.0.1\nallow_anonymous true\nclientid_prefixes dev-\n',
  )
  await compare(t, prefixed, [
    { clientId: 'dev-1' },
    { clientId: 'other' },
    { clientId: 'other', version: 5 },
    { clientId: 'other', version: 3 },
  ])
  const several = await both(
    t,
    `per_listener_settings true
listener %1 127.0.0.1
password_file %f/passwd
acl_file %f/acl
listener %2 127.0.0.1
allow_anonymous true
listener %3 127.0.0.1
password_file %f/passwd
use_username_as_clientid true
listener %4 127.0.0.1
allow_zero_length_clientid false
allow_anonymous true
`,
  )
  const cases: AccessCase[] = [
    { login: 'alice:wrong' },
    { listener: 1 },
    { listener: 1, login: 'alice:wrong' },
    { listener: 2 },
    { listener: 2, login: alice },
    { listener: 2, login: alice, clientId: '' },
    { listener: 3, clientId: '' },
    { listener: 1, clientId: '' },
    { listener: 1, does: 'publish', topic: 'rooms/safe', login: alice },
    { listener: 2, does: 'publish', topic: 'rooms/safe', login: alice, version: 5 },
    { listener: 0, does: 'publish', topic: 'rooms/safe', login: alice, version: 5 },
    { listener: 0, does: 'publish', topic: 'devices/alice/1', login: alice, version: 5 },
  ]
  await compare(t, several, cases)
})

test('who may come in with which certificate, and what for, as Mosquitto decides it', async (t) => {
  const listener = (port: string): string =>
    `listener ${port} 127.0.0.1
certfile ${vector('server.crt')}
keyfile ${vector('server.key')}
cafile ${vector('ca.crt')}
`
  const brokers = await both(
    t,
    `per_listener_settings true
listener %1 127.0.0.1
password_file %f/passwd
acl_file %f/acl
${listener('%2')}password_file %f/passwd
acl_file %f/acl
${listener('%3')}require_certificate true
use_identity_as_username true
crlfile ${vector('crl.pem')}
acl_file %f/acl
${listener('%4')}require_certificate true
use_subject_as_username true
acl_file %f/acl
${listener('%5')}require_certificate true
password_file %f/passwd
acl_file %f/acl
${listener('%6')}require_certificate true
use_identity_as_username true
use_username_as_clientid true
acl_file %f/acl
`,
  )
  const cases: AccessCase[] = []
  for (const certificate of ['none', 'alice', 'bob', 'mallory', 'zoe'])
    for (const at of [1, 2, 3, 4])
      for (const login of [undefined, alice])
        cases.push({ listener: at, certificate, ...(login ? { login } : {}) })
  // By the certificate, whatever name the client gives.
  const byName = [
    ['alice', 2, 'rooms/1'],
    ['alice', 2, 'rooms/safe'],
    ['alice', 3, 'rooms/1'],
    ['alice', 3, 'of/alice'],
    ['zoe', 3, 'of/zoe'],
    ['zoe', 3, 'of/alice'],
    ['zoe', 2, 'devices/client/x'],
    ['alice', 4, 'rooms/1'],
    ['alice', 5, 'devices/alice/x'],
    ['alice', 5, 'devices/client/x'],
  ] as const
  for (const [certificate, at, topic] of byName)
    for (const version of [4, 5] as const)
      cases.push({ does: 'publish', version, listener: at, certificate, topic, login: alice })
  await compare(t, brokers, cases)
})

test('a changed file counts after a reload, for those who are connected too', async (t) => {
  const { ours, mosquitto, folder, reload } = await both(
    t,
    'listener %1 127.0.0.1\nallow_anonymous true\npassword_file %f/passwd\nacl_file %f/acl\n',
  )
  const seen: Record<string, string[]> = {}
  for (const [name, broker] of Object.entries({ ours, mosquitto })) {
    const said: string[] = []
    seen[name] = said
    await writeUsers(folder)
    await reload[name]!()
    const clients = await Promise.all(
      ['alice', 'carol', 'dave', 'admin', undefined].map(async (user, index) => {
        const client = broker.connect(0, index === 2 ? 4 : 5, undefined)
        const login = user && { username: user, password: `${user}-secret` }
        await client.connect(user ?? 'nobody', login || {})
        return client
      }),
    )
    const [first, second, third, admin, fifth] = clients as [(typeof clients)[0], ...typeof clients]
    await fifth!.subscribe('public/#', 0)
    await writeFile(
      path.join(folder, 'acl'),
      'user alice\ntopic write rooms/only\nuser admin\ntopic readwrite #\n',
    )
    // Carol goes, Dave gets another password, Alice stays.
    execFileSync('mosquitto_passwd', ['-D', path.join(folder, 'passwd'), 'carol'])
    execFileSync('mosquitto_passwd', ['-b', path.join(folder, 'passwd'), 'dave', 'another'])
    await reload[name]!()
    // Ours says why before it closes, as MQTT 5 wants it; 2.0.11 only closes.
    for (const [who, client] of Object.entries({ carol: second!, dave: third! })) {
      while ((await client.next())?.cmd === 'disconnect');
      said.push(`${who} is gone`)
    }
    for (const topic of ['rooms/only', 'rooms/1']) {
      first.publish(topic, 'x', { qos: 1, messageId: 1 })
      said.push(`alice to ${topic} ${(await first.next())?.reasonCode}`)
    }
    admin!.publish('public/news', 'x', { qos: 1, messageId: 1 })
    await admin!.next()
    fifth!.send({ cmd: 'pingreq' })
    said.push(`nobody gets ${(await fifth!.next())?.cmd}`)
    said.push(await observe(broker, { login: 'dave:another' }))
    said.push(await observe(broker, { login: 'dave:dave-secret', version: 5 }))
    for (const client of clients) await client.end()
  }
  t.diagnostic(JSON.stringify(seen.mosquitto))
  assert.deepEqual(seen.ours, seen.mosquitto)
})

/** What a user may write and read of `topics`, as the broker shows it. */
async function rightsOf(
  broker: AskedBroker,
  user: string,
  clientId: string,
  topics: readonly string[],
): Promise<string[]> {
  const enter = async (id: string, name: string): Promise<RawClient> => {
    const client = broker.connect(0, 5, undefined)
    const connack = await client.connect(id, { username: name, password: `${name}-secret` })
    assert.equal(connack.reasonCode, 0)
    return client
  }
  const admin = await enter('watcher', 'admin')
  const client = await enter(clientId, user)
  const rights: string[] = []
  for (const topic of topics) {
    client.publish(topic, 'x', { qos: 1, messageId: 1 })
    if ((await client.next())?.reasonCode !== 0x87) rights.push(`write ${topic}`)
  }
  for (const topic of topics) await client.subscribe(topic, 0)
  for (const topic of topics) {
    admin.publish(topic, 'x', { qos: 1, messageId: 1 })
    await admin.next()
  }
  client.send({ cmd: 'pingreq' })
  for (;;) {
    const packet = await client.next()
    assert.ok(packet)
    if (packet.cmd === 'pingresp') break
    rights.push(`read ${packet.topic}`)
  }
  await client.end()
  await admin.end()
  return rights
}

test('any rules mean what they mean to Mosquitto', async (t) => {
  const seed = Number(process.env.KHLONG_SEED ?? Date.now() % 1_000_000)
  t.diagnostic(`seed ${seed}`)
  const random = new SeededRandom(seed)
  const pick = <Value>(from: readonly Value[]): Value =>
    from[Math.floor(random.next() * from.length)]!
  const { ours, mosquitto, folder, reload } = await both(
    t,
    'listener %1 127.0.0.1\npassword_file %f/passwd\nacl_file %f/acl\n',
  )
  const levels = ['a', 'b', '%c', '%u', '+', '', 'x y', '$s']
  const filter = (): string => {
    const parts = Array.from({ length: 1 + Math.floor(random.next() * 3) }, () => pick(levels))
    if (random.next() < 0.3) parts.push('#')
    return parts.join('/')
  }
  const topics = new Set<string>()
  while (topics.size < 25) {
    const named = ['a', 'b', 'alice', 'client', 'x y', '', 'c/d', '$s']
    const parts = Array.from({ length: 1 + Math.floor(random.next() * 3) }, () => pick(named))
    const topic = parts.join('/')
    if (topic !== '') topics.add(topic)
  }
  for (let round = 0; round < 12; round++) {
    const lines = Array.from({ length: 2 + Math.floor(random.next() * 10) }, () => {
      if (random.next() < 0.2) return `user ${pick(['alice', 'carol'])}`
      const what = `${pick(['topic', 'topic', 'pattern'])} ${pick(['read', 'write', 'readwrite', 'deny'])}`
      const written = filter()
      return written.trim() === '' ? '# nothing' : `${what} ${written}`
    })
    const rules = `user admin\ntopic readwrite #\ntopic readwrite $s/#\ntopic readwrite $s\nuser alice\n${lines.join('\n')}\n`
    await writeFile(path.join(folder, 'acl'), rules)
    await reload.ours!()
    await reload.mosquitto!()
    for (const [user, clientId] of [
      ['alice', pick(['client', 'c/d', 'a+'])],
      ['carol', 'client'],
    ] as const) {
      const names = [...topics]
      const theirs = await rightsOf(mosquitto, user, clientId, names)
      const own = await rightsOf(ours, user, clientId, names)
      assert.deepEqual(own, theirs, `${user} as ${clientId} by\n${rules}`)
    }
  }
})
