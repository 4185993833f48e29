import assert from 'node:assert/strict'
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { eventually, temporaryFolder } from '@khlong/core/testing'
import { peer } from '../../../../tools/peers.ts'
import type { MqttBroker } from '../../src/index.ts'
import { portOf, startBroker } from '../helpers.ts'

const run = promisify(execFile)

function publish(broker: MqttBroker, ...args: string[]): Promise<unknown> {
  const port = String(portOf(broker))
  return run(peer('mosquitto_pub'), ['-h', '127.0.0.1', '-p', port, ...args], { timeout: 5_000 })
}

/** Runs mosquitto_sub until it has `count` messages, and gives their lines. */
async function received(broker: MqttBroker, count: number, ...args: string[]): Promise<string[]> {
  const options = ['-h', '127.0.0.1', '-p', String(portOf(broker)), '-C', String(count), ...args]
  const { stdout } = await run(peer('mosquitto_sub'), options, { timeout: 5_000 })
  return stdout.trim().split('\n')
}

/** Comes back when `count` subscriptions are there. */
function subscribed(broker: MqttBroker, count: number): Promise<void> {
  return eventually(() =>
    assert.ok(broker.describe().subscriptions.length >= count, 'no subscription came'),
  )
}

function spawned(t: TestContext, command: string, args: string[]): ChildProcess {
  const child = spawn(command, args, { stdio: 'ignore' })
  t.after(() => {
    child.kill('SIGKILL')
  })
  return child
}

for (const version of ['mqttv31', 'mqttv311', 'mqttv5'])
  test(`mosquitto clients of ${version}: each QoS arrives`, async (t) => {
    const broker = await startBroker(t)
    const lines = received(broker, 3, '-V', version, '-q', '2', '-t', 'a/#', '-F', '%t %q %p')
    await subscribed(broker, 1)
    for (const qos of ['0', '1', '2'])
      await publish(broker, '-V', version, '-q', qos, '-t', 'a/b', '-m', `with ${qos}`)
    assert.deepEqual(await lines, ['a/b 0 with 0', 'a/b 1 with 1', 'a/b 2 with 2'])
  })

test('mosquitto_sub gets the retained message, and none after it is cleared', async (t) => {
  const broker = await startBroker(t)
  await publish(broker, '-q', '1', '-r', '-t', 'r', '-m', 'kept')
  assert.deepEqual(await received(broker, 1, '-t', 'r', '-F', '%r %p'), ['1 kept'])
  await publish(broker, '-q', '1', '-r', '-t', 'r', '-n')
  assert.equal(broker.describe().retainedCount > 0, true)
  const lines = received(broker, 1, '-t', 'r', '-F', '%r %p')
  await subscribed(broker, 1)
  await publish(broker, '-t', 'r', '-m', 'live')
  assert.deepEqual(await lines, ['0 live'])
})

test('the will of a mosquitto client that is killed is sent', async (t) => {
  const broker = await startBroker(t)
  const lines = received(broker, 1, '-t', 'wills', '-V', 'mqttv5')
  await subscribed(broker, 1)
  const port = String(portOf(broker))
  const will = ['--will-topic', 'wills', '--will-payload', 'gone', '--will-qos', '1']
  const doomed = spawned(t, peer('mosquitto_sub'), ['-p', port, '-t', 'x', '-V', 'mqttv5', ...will])
  await subscribed(broker, 2)
  doomed.kill('SIGKILL')
  assert.deepEqual(await lines, ['gone'])
})

for (const version of ['mqttv311', 'mqttv5'])
  test(`a persistent session of mosquitto_sub (${version}) survives its own and our restart`, async (t) => {
    const data = await temporaryFolder(t)
    const first = await startBroker(t, { data })
    const session = ['-V', version, '-c', '-i', 'reader', '-q', '2', '-t', 'p/#']
    if (version === 'mqttv5') session.push('-x', '3600')
    const port = String(portOf(first))
    const reader = spawned(t, peer('mosquitto_sub'), ['-p', port, ...session])
    await subscribed(first, 1)
    reader.kill('SIGTERM')
    await once(reader, 'exit')
    for (const qos of ['1', '2'])
      await publish(first, '-V', version, '-q', qos, '-t', `p/${qos}`, '-m', `missed ${qos}`)
    await first.stop()
    const second = await startBroker(t, { data })
    const lines = await received(second, 2, ...session, '-F', '%q %p')
    assert.deepEqual(lines.sort(), ['1 missed 1', '2 missed 2'])
  })

test('mosquitto_sub of MQTT 5 shares a subscription and shows properties', async (t) => {
  const broker = await startBroker(t)
  const format = '%p %C %R %P'
  const lines = received(broker, 1, '-V', 'mqttv5', '-t', '$share/g/t', '-F', format)
  await subscribed(broker, 1)
  const properties = [
    ['content-type', 'text/plain'],
    ['response-topic', 'back'],
    ['user-property', 'place', 'one'],
  ]
  const args = properties.flatMap((property) => ['-D', 'publish', ...property])
  await publish(broker, '-V', 'mqttv5', '-t', 't', '-m', 'x', ...args)
  assert.deepEqual(await lines, ['x text/plain back place:one'])
})

test('mosquitto_rr asks and is answered', async (t) => {
  const broker = await startBroker(t)
  const port = String(portOf(broker))
  const asked = received(broker, 1, '-V', 'mqttv5', '-t', 'ask', '-F', '%R %p')
  await subscribed(broker, 1)
  const args = ['-p', port, '-V', 'mqttv5', '-t', 'ask', '-e', 'answer/1', '-m', '?']
  const answered = run('mosquitto_rr', args, { timeout: 5_000 })
  assert.deepEqual(await asked, ['answer/1 ?'])
  await publish(broker, '-V', 'mqttv5', '-t', 'answer/1', '-m', '!')
  assert.equal((await answered).stdout.trim(), '!')
})

test('mosquitto_sub reads the $SYS tree', async (t) => {
  const broker = await startBroker(t)
  const lines = await received(broker, 10, '-v', '-t', '$SYS/broker/#')
  assert.ok(lines.some((line) => line.startsWith('$SYS/broker/clients/connected ')))
})

for (const version of ['tlsv1.2', 'tlsv1.3'])
  test(`mosquitto clients log in over TLS (${version}), with a certificate and with a password`, async (t) => {
    const folder = await temporaryFolder(t)
    const passwords = path.join(folder, 'passwd')
    await run('mosquitto_passwd', ['-c', '-b', passwords, 'dev', 'secret'])
    const certificate = (name: string): string =>
      fileURLToPath(new URL(`../vectors/tls/${name}`, import.meta.url))
    const tls = { certfile: certificate('server.crt'), keyfile: certificate('server.key') }
    const trust = { cafile: certificate('ca.crt'), require_certificate: true }
    const broker = await startBroker(t, {
      password_file: passwords,
      listeners: [
        { listen: 0, ...tls },
        { listen: 0, ...tls, ...trust, use_identity_as_username: true },
      ],
    })
    const secure = ['--cafile', certificate('ca.crt'), '--tls-version', version, '-V', '5']
    const at = (name: string): string[] => ['-p', String(portOf(broker, name)), ...secure]
    const own = ['--cert', certificate('alice.crt'), '--key', certificate('alice.key')]
    const sub = run(peer('mosquitto_sub'), [...at('mqtts-2'), ...own, '-t', 't', '-C', '1'], {
      timeout: 5_000,
    })
    await subscribed(broker, 1)
    const message = ['-t', 't', '-m', 'x', '-q', '1']
    const pub = (...args: string[]): Promise<unknown> =>
      run(peer('mosquitto_pub'), [...args, ...message], { timeout: 5_000 })
    await assert.rejects(pub(...at('mqtts'), '-u', 'dev', '-P', 'wrong'))
    await assert.rejects(pub(...at('mqtts-2')))
    await pub(...at('mqtts'), '-u', 'dev', '-P', 'secret')
    assert.equal((await sub).stdout.trim(), 'x')
    assert.equal(broker.vitals().facts.refused, 1)
  })
