import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { FakeClock, temporaryFolder } from '@khlong/core/testing'
import { generate, type Packet } from 'mqtt-packet'
import { WebSocket } from 'ws'
import { withPassword } from '../../src/access/password-file.ts'
import { hashPassword } from '../../src/access/stored-password.ts'
import type { MqttBroker, MqttOptions } from '../../src/index.ts'
import { portOf, RawClient, startBroker } from '../helpers.ts'

const acl = `user admin
topic readwrite #
topic read $SYS/#
pattern readwrite devices/%u/#
`

interface Guarded {
  readonly broker: MqttBroker
  readonly clock: FakeClock
  readonly passwordFile: string
  readonly aclFile: string
  /** Without a password the user goes. */
  setPassword(user: string, password?: string, iterations?: number): Promise<void>
}

/** A broker with users and rules, and a clock that stands still. */
async function guarded(t: TestContext, options: MqttOptions = {}): Promise<Guarded> {
  const folder = await temporaryFolder(t)
  const passwordFile = path.join(folder, 'passwd')
  const aclFile = path.join(folder, 'acl')
  const setPassword = async (user: string, password?: string, iterations = 10): Promise<void> => {
    const text = await readFile(passwordFile, 'utf8').catch(() => '')
    const hash = password === undefined ? undefined : await hashPassword(password, iterations)
    await writeFile(passwordFile, withPassword(text, user, hash))
  }
  for (const user of ['admin', 'dev1', 'dev2']) await setPassword(user, `${user}-secret`)
  await writeFile(aclFile, acl)
  const clock = new FakeClock()
  const files = { password_file: passwordFile, acl_file: aclFile }
  const broker = await startBroker(t, { ...files, ...options }, { clock })
  return { broker, clock, passwordFile, aclFile, setPassword }
}

async function login(
  t: TestContext,
  broker: MqttBroker,
  user: string | undefined,
  options: { password?: string; version?: number; id?: string; connect?: object; at?: string } = {},
): Promise<{ client: RawClient; reason: unknown }> {
  const { version = 5, id = user ?? 'nobody', password = `${user}-secret`, connect, at } = options
  const client = new RawClient(portOf(broker, at), version)
  t.after(() => client.end())
  const names = user === undefined ? {} : { username: user, password }
  const connack = await client.connect(id, { ...names, ...connect })
  return { client, reason: connack?.reasonCode ?? connack?.returnCode }
}

/** Moves the clock until something holds; files are read meanwhile. */
async function until(clock: FakeClock, holds: () => boolean, stepMs = 1_000): Promise<void> {
  const deadline = Date.now() + 5_000
  while (!holds()) {
    assert.ok(Date.now() < deadline, 'it never came to hold')
    clock.advance(stepMs)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

test('with a password file nobody comes in without a password, also on loopback', async (t) => {
  const { broker } = await guarded(t)
  assert.equal((await login(t, broker, 'dev1')).reason, 0)
  assert.equal((await login(t, broker, 'dev1', { password: 'wrong' })).reason, 0x87)
  assert.equal((await login(t, broker, 'dev9')).reason, 0x87)
  assert.equal((await login(t, broker, undefined)).reason, 0x87)
  assert.equal((await login(t, broker, undefined, { version: 4 })).reason, 5)
  assert.equal(broker.vitals().facts.refused, 4)
  assert.match(broker.metrics(), /khlong_mqtt_logins_refused_total 4/)
})

test('the pipeline’s own clients come in from this machine whatever the files say', async (t) => {
  const internal = { username: 'khlong-internal', password: 'made-anew-for-this-run' }
  const settings = { internal, 'internal.listen': 0, clientid_prefixes: 'k' }
  const { broker } = await guarded(t, settings)
  const { password } = internal
  for (const at of ['internal', 'mqtt']) {
    const id = at === 'internal' ? 'source-0' : 'k-0'
    const { client, reason } = await login(t, broker, internal.username, { password, at, id })
    assert.equal(reason, 0)
    client.publish('anything', 'x', { qos: 1, messageId: 1 })
    assert.equal((await client.next())?.reasonCode, 0x10)
    const wrong = await login(t, broker, internal.username, { password: `${password}!`, at })
    assert.equal(wrong.reason, 0x87)
  }
  assert.equal((await login(t, broker, undefined, { at: 'internal' })).reason, 0x87)
  assert.equal((await login(t, broker, 'dev1', { at: 'internal' })).reason, 0x87)
})

test('a refused message is acknowledged with a reason, is counted, and goes nowhere', async (t) => {
  const { broker } = await guarded(t)
  const { client: admin } = await login(t, broker, 'admin')
  await admin.subscribe('#', 1)
  const { client } = await login(t, broker, 'dev1')
  for (const [qos, topic, reason] of [
    [1, 'devices/dev1/x', 0],
    [1, 'devices/dev2/x', 0x87],
    [2, 'devices/dev2/x', 0x87],
  ] as const) {
    client.publish(topic, 'x', { qos, messageId: 3 })
    assert.equal((await client.next())?.reasonCode, reason)
  }
  assert.equal((await admin.next())?.topic, 'devices/dev1/x')
  await admin.settled()
  assert.equal(broker.vitals().facts.denied, 2)
})

test('a changed file counts by itself, and whoever may not be there any more goes', async (t) => {
  const { broker, clock, aclFile, setPassword } = await guarded(t)
  const { client: first } = await login(t, broker, 'dev1')
  const { client: second } = await login(t, broker, 'dev2')
  await setPassword('dev1')
  await setPassword('dev3', 'dev3-secret')
  await until(clock, () => broker.describe().clients.length === 1)
  assert.equal((await first.next())?.reasonCode, 0x98)
  assert.equal(await first.next(), undefined)
  assert.equal((await login(t, broker, 'dev1')).reason, 0x87)
  assert.equal((await login(t, broker, 'dev3')).reason, 0)
  await writeFile(aclFile, 'user dev2\ntopic write other\n')
  await until(clock, () => /reloads_total 2/.test(broker.metrics()))
  second.publish('devices/dev2/x', 'x', { qos: 1, messageId: 1 })
  assert.equal((await second.next())?.reasonCode, 0x87)
})

test('a broken file is refused with its line, and the old rules stay', async (t) => {
  const { broker, clock, aclFile } = await guarded(t)
  const { client } = await login(t, broker, 'dev1')
  await writeFile(aclFile, 'user dev1\ntopic reads all\n')
  await assert.rejects(broker.reload(), {
    code: 'SETTINGS_INVALID',
    message: /acl:2: expected read/,
  })
  await until(clock, () => /reload_failures_total 2/.test(broker.metrics()))
  const [listener] = broker.vitals().items
  assert.equal(listener?.state, 'running')
  assert.match(listener.note ?? '', /old rules stay in force: .*acl:2/)
  client.publish('devices/dev1/x', 'x', { qos: 1, messageId: 1 })
  assert.equal((await client.next())?.reasonCode, 0x10)
  await writeFile(aclFile, acl)
  await broker.reload()
  assert.equal(broker.vitals().items[0]?.note, undefined)
})

test('a file that is missing or broken at the start is said with its name', async (t) => {
  const folder = await temporaryFolder(t)
  const file = path.join(folder, 'passwd')
  const start = (): Promise<MqttBroker> => startBroker(t, { password_file: file })
  await assert.rejects(start, /passwd: password_file: cannot be read/)
  await writeFile(file, 'alice:plain\n')
  await assert.rejects(start, /passwd:1: user alice: expected a hash/)
})

test('what waits for a session is not given to somebody who may not read it', async (t) => {
  const { broker, aclFile } = await guarded(t)
  const connect = { clean: false, properties: { sessionExpiryInterval: 1_000 } }
  const { client } = await login(t, broker, 'dev1', { id: 'shared', connect })
  await client.subscribe('devices/#', 1)
  await client.end()
  const { client: admin } = await login(t, broker, 'admin')
  const send = async (topic: string): Promise<void> => {
    admin.publish(topic, topic, { qos: 1, messageId: 1 })
    await admin.next()
  }
  await send('devices/dev1/x')
  await send('devices/dev2/x')
  assert.equal(broker.describe().sessions.find((one) => one.clientId === 'shared')?.queued, 1)
  // Another user takes the session over: what was meant for the first one is not for him.
  const second = await login(t, broker, 'dev2', { id: 'shared', connect })
  await second.client.settled()
  await send('devices/dev2/y')
  assert.equal((await second.client.next())?.topic, 'devices/dev2/y')
  await second.client.end()
  await send('devices/dev2/z')
  await writeFile(aclFile, 'user admin\ntopic readwrite #\n')
  await broker.reload()
  assert.equal(broker.describe().sessions.find((one) => one.clientId === 'shared')?.queued, 0)
})

test('a queue that its reader may not fill holds no publisher back', async (t) => {
  const { broker } = await guarded(t, { max_queued_messages: 1 })
  const connect = { clean: false, properties: { sessionExpiryInterval: 1_000 } }
  const { client } = await login(t, broker, 'dev1', { connect })
  await client.subscribe('#', 1)
  await client.end()
  const { client: admin } = await login(t, broker, 'admin')
  for (let number = 1; number < 5; number++) {
    admin.publish('devices/dev2/x', 'x', { qos: 1, messageId: number })
    assert.equal((await admin.next())?.cmd, 'puback')
  }
})

test('a retained message is kept back when its publisher may no longer write it', async (t) => {
  const { broker, aclFile } = await guarded(t)
  const { client } = await login(t, broker, 'dev1')
  client.publish('devices/dev1/state', 'x', { qos: 1, messageId: 1, retain: true })
  await client.next()
  const { client: admin } = await login(t, broker, 'admin')
  await admin.subscribe('devices/+/state', 1)
  assert.equal(String((await admin.next())?.payload), 'x')
  await writeFile(aclFile, 'user admin\ntopic readwrite #\n')
  await broker.reload()
  await admin.subscribe('devices/dev1/state', 1)
  await admin.settled()
})

test('after a restart it is known who a session belongs to, and who has written what is retained', async (t) => {
  const data = await temporaryFolder(t)
  const { broker, clock, aclFile, passwordFile } = await guarded(t, { data })
  const connect = { clean: false, properties: { sessionExpiryInterval: 1_000 } }
  const { client } = await login(t, broker, 'dev1', { connect })
  await client.subscribe('#', 1)
  client.publish('devices/dev1/state', 'x', { qos: 1, messageId: 1, retain: true })
  await client.next()
  await broker.stop()
  const files = { data, acl_file: aclFile, password_file: passwordFile }
  const second = await startBroker(t, files, { clock })
  const { client: admin } = await login(t, second, 'admin')
  for (const topic of ['devices/dev1/x', 'devices/dev2/x']) {
    admin.publish(topic, 'x', { qos: 1, messageId: 1 })
    await admin.next()
  }
  const { sessions } = second.describe()
  assert.equal(sessions.find(({ clientId }) => clientId === 'dev1')?.queued, 2)
  await writeFile(aclFile, 'user admin\ntopic readwrite #\n')
  await second.reload()
  await admin.subscribe('devices/dev1/state', 1)
  await admin.settled()
})

test('after wrong logins the next one waits, and is said to have happened', async (t) => {
  const { broker, clock } = await guarded(t)
  const { client: admin } = await login(t, broker, 'admin')
  await admin.subscribe('$SYS/khlong/events', 0)
  for (let attempt = 0; attempt < 3; attempt++)
    assert.equal((await login(t, broker, 'dev1', { password: 'wrong' })).reason, 0x87)
  const event = JSON.parse(String((await admin.next())?.payload))
  assert.equal(event.event, 'login refused')
  assert.equal(event.username, 'dev1')
  assert.equal(event.address, '127.0.0.1')
  assert.equal(broker.describe().refusals.length, 3)
  const waiting = login(t, broker, 'dev1')
  const isIn = (): boolean => broker.describe().clients.some(({ username }) => username === 'dev1')
  // Who logged in from there before is let in meanwhile.
  assert.equal((await login(t, broker, 'admin', { id: 'second' })).reason, 0)
  assert.equal(isIn(), false)
  clock.advance(250)
  assert.equal((await waiting).reason, 0)
  assert.equal(isIn(), true)
})

test('many guesses at once get no further than a few one after the other', async (t) => {
  const { broker, clock } = await guarded(t)
  const answers: unknown[] = []
  const all = Array.from({ length: 60 }, async (_, index) => {
    const { reason } = await login(t, broker, 'dev1', { password: 'wrong', id: `g${index}` })
    answers.push(reason)
  })
  // 16 wait, what is beyond is turned away; a few were looked at.
  await until(clock, () => answers.length >= 60 - 16, 0)
  const guesses = answers.filter((reason) => reason === 0x87).length
  assert.ok(guesses >= 3 && guesses <= 5, `${guesses} guesses`)
  assert.equal(answers.filter((reason) => reason === 0x89).length, answers.length - guesses)
  await until(clock, () => answers.length === 60, 1_000)
  await Promise.all(all)
})

test('a flood of logins does not hold up the messages of others', async (t) => {
  const { broker, setPassword } = await guarded(t, { login_delay_max: 0 })
  await setPassword('slow', 'slow-secret', 150_000)
  await broker.reload()
  const { client } = await login(t, broker, 'dev1')
  await client.subscribe('devices/dev1/#', 1)
  let isOver = false
  const flood = Promise.all(
    Array.from({ length: 8 }, (_, index) =>
      login(t, broker, 'slow', { password: 'wrong', id: `f${index}` }),
    ),
  ).finally(() => {
    isOver = true
  })
  for (let number = 1; number <= 20; number++) {
    client.publish('devices/dev1/x', 'x', { qos: 1, messageId: number })
    await client.next()
    await client.next()
  }
  assert.equal(isOver, false)
  assert.ok((await flood).every(({ reason }) => reason === 0x87))
})

test('what a client sends behind its CONNECT waits for the login, and goes with it', async (t) => {
  const { broker } = await guarded(t)
  const packets = (password: string): Buffer =>
    Buffer.concat(
      [
        { cmd: 'connect', clientId: 'c', clean: true, username: 'dev1', password },
        { cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'devices/dev1/x', qos: 0 }] },
        {
          cmd: 'publish',
          topic: 'devices/dev1/x',
          payload: 'x',
          qos: 0,
          dup: false,
          retain: false,
        },
      ].map((packet) => generate(packet as Packet)),
    )
  const seen = async (password: string): Promise<unknown[]> => {
    const client = new RawClient(portOf(broker))
    t.after(() => client.end())
    client.socket.write(packets(password))
    const got: unknown[] = []
    for (let count = 0; count < 3; count++) got.push((await client.next())?.cmd)
    return got
  }
  assert.deepEqual(await seen('dev1-secret'), ['connack', 'suback', 'publish'])
  assert.deepEqual(await seen('wrong'), ['connack', undefined, undefined])
  // Who leaves before the answer is not missed.
  const hasty = new RawClient(portOf(broker))
  hasty.socket.end(packets('dev1-secret'))
  await hasty.end()
  assert.equal((await login(t, broker, 'dev2')).reason, 0)
})

test('a broker that stops does not wait for logins that wait', async (t) => {
  const { broker } = await guarded(t)
  for (let attempt = 0; attempt < 3; attempt++)
    await login(t, broker, 'dev1', { password: 'wrong' })
  const waiting = login(t, broker, 'dev1')
  await broker.stop({ deadlineMs: 50 })
  assert.equal((await waiting).reason, undefined)
})

test('a web page of another host does not come in by the browser of this one', async (t) => {
  const status = async (broker: MqttBroker, origin: string | undefined): Promise<string> => {
    const url = `ws://127.0.0.1:${portOf(broker, 'websocket')}`
    const webSocket = new WebSocket(url, 'mqtt', origin === undefined ? {} : { origin })
    webSocket.on('error', () => {})
    const opened = once(webSocket, 'open').then(() => 'open')
    const refused = once(webSocket, 'unexpected-response').then(
      ([, { statusCode }]) => `${statusCode}`,
    )
    const answer = await Promise.race([opened, refused])
    webSocket.terminate()
    return answer
  }
  const local = await startBroker(t)
  const listed = await startBroker(t, { websockets_origin: ['https://good.example'] })
  const { broker: shut } = await guarded(t)
  const answers = await Promise.all(
    [undefined, 'http://localhost:3000', 'http://[::1]', 'https://good.example', 'null'].map(
      async (origin) => [
        await status(local, origin),
        await status(listed, origin),
        await status(shut, origin),
      ],
    ),
  )
  assert.deepEqual(answers, [
    ['open', 'open', 'open'],
    ['open', '403', 'open'],
    ['open', '403', 'open'],
    ['403', 'open', 'open'],
    ['403', '403', 'open'],
  ])
})
