import assert from 'node:assert/strict'
import { once } from 'node:events'
import { copyFile, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import tls from 'node:tls'
import { fileURLToPath } from 'node:url'
import { FakeClock, temporaryFolder } from '@khlong/core/testing'
import { connectAsync } from 'mqtt'
import type { MqttBroker, MqttOptions } from '../../src/index.ts'
import { rfc2253 } from '../../src/server/peer.ts'
import { portOf, RawClient, startBroker } from '../helpers.ts'

// Made by the authority of `khlong cert`, for a hundred years: see vectors/tls/README.md.
const vector = (name: string): string =>
  fileURLToPath(new URL(`../vectors/tls/${name}`, import.meta.url))

const server = { certfile: vector('server.crt'), keyfile: vector('server.key') }
const mutual = { ...server, cafile: vector('ca.crt'), require_certificate: true }

async function secureClient(
  t: TestContext,
  broker: MqttBroker,
  options: { certificate?: string; version?: number; at?: string } & tls.ConnectionOptions = {},
): Promise<RawClient> {
  const { certificate, version = 5, at = 'mqtts', ...rest } = options
  const socket = tls.connect({
    port: portOf(broker, at),
    host: '127.0.0.1',
    ca: await readFile(vector('ca.crt')),
    ...(certificate
      ? {
          cert: await readFile(vector(`${certificate}.crt`)),
          key: await readFile(vector(`${certificate}.key`)),
        }
      : {}),
    ...rest,
  })
  const client = new RawClient(0, version, socket)
  t.after(() => client.end())
  return client
}

const reasonOf = async (client: RawClient, fields: object = {}): Promise<unknown> =>
  (await client.connect('c', { ...fields }))?.reasonCode

test('MQTT goes over TLS, beside a plain listener', async (t) => {
  const listeners = [{ listen: 0, ...server }]
  const broker = await startBroker(t, { listeners })
  assert.deepEqual(Object.keys(broker.addresses), ['mqtt', 'websocket', 'mqtts'])
  const client = await secureClient(t, broker)
  assert.equal(await reasonOf(client), 0)
  await client.subscribe('t')
  client.publish('t', 'x'.repeat(100_000), { qos: 1, messageId: 1 })
  const packets = [await client.next(), await client.next()]
  const message = packets.find((packet) => packet?.cmd === 'publish')
  assert.equal(String(message?.payload).length, 100_000)
  assert.equal(broker.describe().clients[0]?.listener, 'mqtts')
})

test('MQTT goes over a secure WebSocket', async (t) => {
  const broker = await startBroker(t, {
    listeners: [{ listen: 0, protocol: 'websockets', ...server }],
  })
  const url = `wss://127.0.0.1:${portOf(broker, 'websockets')}/mqtt`
  const ca = await readFile(vector('ca.crt'))
  const client = await connectAsync(url, { ca, reconnectPeriod: 0, protocolVersion: 5 })
  t.after(() => client.endAsync(true))
  await client.subscribeAsync('t')
  const arrived = new Promise((resolve) => {
    client.once('message', (_topic, payload) => resolve(payload.toString()))
  })
  await client.publishAsync('t', 'x', { qos: 1 })
  assert.equal(await arrived, 'x')
})

test('with require_certificate only clients of the authority come in, those it took back do not', async (t) => {
  const options = { ...mutual, crlfile: vector('crl.pem'), allow_anonymous: true }
  const broker = await startBroker(t, { listen: 0, ...options })
  for (const [certificate, isIn] of [
    ['alice', true],
    ['bob', false],
    ['mallory', false],
    [undefined, false],
  ] as const) {
    const client = await secureClient(t, broker, certificate ? { certificate } : {})
    assert.equal(await reasonOf(client), isIn ? 0 : undefined, certificate)
  }
  assert.match(broker.metrics(), /khlong_mqtt_tls_failures_total 3/)
})

test('the certificate is the username, by its name or by its whole subject', async (t) => {
  const folder = await temporaryFolder(t)
  const aclFile = path.join(folder, 'acl')
  const subject = 'CN=Zo\\C3\\AB \\"x\\"\\, y\\+z,O=Khlong'
  await writeFile(aclFile, `user alice\ntopic of/alice\nuser ${subject}\ntopic of/zoe\n`)
  const broker = await startBroker(t, {
    acl_file: aclFile,
    listeners: [
      { listen: 0, ...mutual, use_identity_as_username: true },
      { listen: 0, ...mutual, use_subject_as_username: true },
    ],
  })
  for (const [certificate, at, topic] of [
    ['alice', 'mqtts', 'of/alice'],
    ['zoe', 'mqtts-2', 'of/zoe'],
  ] as const) {
    const client = await secureClient(t, broker, { certificate, at })
    // A username that the client gives is not looked at.
    assert.equal(await reasonOf(client, { username: 'admin', password: 'x' }), 0)
    for (const [to, reason] of [
      [topic, 0x10],
      ['of/nobody', 0x87],
    ] as const) {
      client.publish(to, 'x', { qos: 1, messageId: 1 })
      assert.equal((await client.next())?.reasonCode, reason, to)
    }
    await client.end()
  }
})

test('a subject is written as RFC 2253 writes it', () => {
  assert.equal(rfc2253('C=TH\nO=A + OU=B\nCN=Zoë\\, x'), 'CN=Zo\\C3\\AB\\, x,O=A+OU=B,C=TH')
})

test('tls_version is the oldest version that is spoken', async (t) => {
  const broker = await startBroker(t, { listen: 0, ...server, tls_version: 'tlsv1.3' })
  const old = await secureClient(t, broker, { maxVersion: 'TLSv1.2' })
  assert.equal(await reasonOf(old), undefined)
  const fresh = await secureClient(t, broker, { minVersion: 'TLSv1.3' })
  assert.equal(await reasonOf(fresh), 0)
})

async function copied(t: TestContext, ...names: string[]): Promise<(name: string) => string> {
  const folder = await temporaryFolder(t)
  for (const name of names) await copyFile(vector(name), path.join(folder, name))
  return (name) => path.join(folder, name)
}

test('other certificates are served after a reload, and a broken file changes nothing', async (t) => {
  const file = await copied(t, 'server.crt', 'server.key')
  const broker = await startBroker(t, {
    listen: 0,
    websocket: 0,
    certfile: file('server.crt'),
    keyfile: file('server.key'),
  })
  const served = async (at: string): Promise<string> => {
    const client = await secureClient(t, broker, { at })
    await once(client.socket, 'secureConnect')
    const { CN: name } = (client.socket as tls.TLSSocket).getPeerCertificate().subject
    return String(name)
  }
  const client = await secureClient(t, broker)
  assert.equal(await reasonOf(client), 0)
  await copyFile(vector('renewed.crt'), file('server.crt'))
  // Half of the change: the key is still that of the old certificate.
  await assert.rejects(broker.reload(), /server\.key: keyfile: cannot be used/)
  assert.equal(await served('mqtts'), 'localhost')
  await copyFile(vector('renewed.key'), file('server.key'))
  await broker.reload()
  assert.deepEqual([await served('mqtts'), await served('websockets')], ['renewed', 'renewed'])
  // Who was there stays: it is the server's own certificate that has changed.
  await client.settled()
})

test('who is revoked goes when the list is read, the others come again', async (t) => {
  const file = await copied(t, 'crl-empty.pem')
  const clock = new FakeClock()
  const settings: MqttOptions = { ...mutual, crlfile: file('crl-empty.pem'), allow_anonymous: true }
  const broker = await startBroker(t, { listen: 0, ...settings }, { clock })
  const bob = await secureClient(t, broker, { certificate: 'bob' })
  const resumed = once(bob.socket, 'session') as Promise<[Buffer]>
  assert.equal(await reasonOf(bob), 0)
  await copyFile(vector('crl.pem'), file('crl-empty.pem'))
  const deadline = Date.now() + 5_000
  while (broker.describe().clients.length > 0) {
    assert.ok(Date.now() < deadline, 'the list was not read')
    clock.advance(1_000)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  assert.equal((await bob.next())?.reasonCode, 0x98)
  // A session of TLS from before is no way around it.
  const [session] = await resumed
  const back = await secureClient(t, broker, { certificate: 'bob', session })
  assert.equal(await reasonOf(back), undefined)
  assert.equal(await reasonOf(await secureClient(t, broker, { certificate: 'bob' })), undefined)
  assert.equal(await reasonOf(await secureClient(t, broker, { certificate: 'alice' })), 0)
})

test('settings of TLS that do not go together, or files that cannot be used, are said by name', async (t) => {
  const wrong: [MqttOptions, RegExp][] = [
    [{ certfile: server.certfile }, /certfile: certfile and keyfile go together/],
    [{ cafile: mutual.cafile }, /cafile: needs TLS/],
    [{ ...server, require_certificate: true }, /require_certificate: needs cafile or capath/],
    [{ ...server, use_identity_as_username: true }, /needs require_certificate: true/],
    [{ ...server, keyfile: vector('renewed.key') }, /renewed\.key: keyfile: cannot be used/],
    [{ ...server, certfile: vector('ca.key') }, /certfile: cannot be read/],
    [{ ...server, certfile: vector('alice.key') }, /alice\.key: certfile: cannot be used/],
    [{ ...mutual, cafile: vector('alice.key') }, /alice\.key: cafile: holds no certificate/],
    [{ ...mutual, crlfile: vector('ca.crt') }, /ca\.crt: crlfile: cannot be used/],
    [{ ...server, ciphers: 'nothing' }, /ciphers: cannot be used/],
    [{ ...server, tls_version: 'tlsv1.1' as 'tlsv1.2' }, /tls_version: /],
  ]
  for (const [options, message] of wrong)
    await assert.rejects(async () => startBroker(t, { listen: 0, ...options }), message)
})

test('capath trusts every certificate of a folder', async (t) => {
  const folder = await temporaryFolder(t)
  await copyFile(vector('ca.crt'), path.join(folder, 'ca.pem'))
  const settings = { ...server, capath: folder, require_certificate: true, allow_anonymous: true }
  const broker = await startBroker(t, { listen: 0, ...settings })
  assert.equal(await reasonOf(await secureClient(t, broker, { certificate: 'alice' })), 0)
  assert.equal(await reasonOf(await secureClient(t, broker, { certificate: 'mallory' })), undefined)
})

test('who speaks no TLS, or stops in its middle, holds nothing up', async (t) => {
  const broker = await startBroker(t, { listen: 0, ...server })
  const plain = new RawClient(portOf(broker, 'mqtts'), 5)
  assert.equal(await reasonOf(plain), undefined)
  const silent = new RawClient(portOf(broker, 'mqtts'), 5)
  await once(silent.socket, 'connect')
  silent.socket.write(Buffer.from([0x16, 3, 1]))
  await broker.stop({ deadlineMs: 50 })
  assert.equal(await silent.next(), undefined)
})
