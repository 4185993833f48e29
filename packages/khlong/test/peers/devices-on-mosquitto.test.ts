import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, writeFile } from 'node:fs/promises'
import net from 'node:net'
import path from 'node:path'
import test, { type TestContext } from 'node:test'
import { eventually, temporaryFolder } from '@khlong/core/testing'
import { MqttBroker } from '@khlong/mqtt'
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt'
import { peer } from '../../../../tools/peers.ts'
import { freePort } from '../../../../tools/real-engines.ts'
import { DeviceRegistry, deviceFiles } from '../../src/devices/device-registry.ts'

const topics = [
  'iot-frames',
  'iot-frames/a',
  'iot-commands',
  'devices',
  'devices/a',
  'devices/a/commands',
  'devices/a/commands/ack',
  'devices/a/b/commands',
  'devices/b/commands',
  'devices/b/commands/ack',
  'devices/ab/commands',
  'devices/A/commands',
  'devices//commands',
  'device/a/commands',
  '/devices/a/commands',
]

interface Login {
  readonly name: string
  readonly options: IClientOptions
}

/** Both brokers on the files of one registry, with and without clients that have no name. */
async function brokers(t: TestContext, data: string, isOpen: boolean): Promise<[string, string]> {
  const { folder, passwords, access } = deviceFiles(data)
  const ours = new MqttBroker({
    listen: 0,
    persistence: false,
    password_file: passwords,
    acl_file: access,
    allow_anonymous: isOpen,
    login_delay_max: 0,
    sys_interval: 0,
  })
  await ours.start()
  t.after(() => ours.stop())
  const port = await freePort()
  const conf = path.join(folder, `mosquitto-${port}.conf`)
  const lines = [
    `listener ${port} 127.0.0.1`,
    `allow_anonymous ${isOpen}`,
    `password_file ${passwords}`,
    `acl_file ${access}`,
    // Else it gives up root, and cannot read files that are their owner's only.
    'user root',
  ]
  await writeFile(conf, `${lines.join('\n')}\n`)
  const child = spawn(peer('mosquitto'), ['-c', conf], { stdio: 'ignore' })
  const ended = once(child, 'exit')
  t.after(async () => {
    child.kill()
    await ended
  })
  await eventually(async () => {
    const socket = net.connect(port, '127.0.0.1')
    await once(socket, 'connect').finally(() => socket.destroy())
  })
  return [`mqtt://${ours.addresses.mqtt}`, `mqtt://127.0.0.1:${port}`]
}

/** A client that is let in, or the words of its refusal. */
async function connect(url: string, { options }: Login): Promise<MqttClient | string> {
  const given = { ...options, protocolVersion: 5 as const, reconnectPeriod: 0 }
  return mqtt.connectAsync(url, given).catch((error: Error) => error.message)
}

/** What a client may do on a broker: `write TOPIC` and `read TOPIC`, or how it was refused. */
async function rightsOf(t: TestContext, url: string, login: Login): Promise<string[]> {
  const client = await connect(url, login)
  if (typeof client === 'string') return [client]
  t.after(() => client.endAsync(true))
  const rights: string[] = []
  for (const topic of topics)
    await client.publishAsync(topic, 'x', { qos: 1 }).then(
      () => rights.push(`write ${topic}`),
      () => {},
    )
  // A client without a name may publish everything; the last message says that all have come.
  const other = await mqtt.connectAsync(url, { reconnectPeriod: 0 })
  const end = `devices/${login.name}/end`
  const all = new Promise<void>((resolve) => {
    client.on('message', (topic) => {
      if (topic === end) resolve()
      else rights.push(`read ${topic}`)
    })
  })
  await client.subscribeAsync('#', { qos: 1 })
  for (const topic of [...topics, end]) await other.publishAsync(topic, 'x', { qos: 1 })
  await all
  await Promise.all([client.endAsync(), other.endAsync()])
  return rights
}

test('a real Mosquitto with the files of the registry answers 113 questions as our broker does', async (t) => {
  const data = await temporaryFolder(t)
  await chmod(data, 0o755)
  const registry = new DeviceRegistry(data)
  const [a, b, gone] = await registry.import(
    ['a', 'b', 'gone'].map((name) => ({ name, place: '1' })),
  )
  await registry.revoke('gone')
  await registry.allowCommand('b', 'a', true)
  const old = b!.secret
  const { secret } = await registry.rotate('b')
  const login = (name: string, password?: string): Login => ({
    name,
    options: password === undefined ? { username: name } : { username: name, password },
  })
  const logins: Login[] = [
    login('a', a!.secret),
    login('b', secret),
    { name: 'nobody', options: {} },
    login('b', old),
    login('gone', gone!.secret),
    login('a', 'wrong'),
    login('a', ''),
    login('a'),
    login('A', a!.secret),
    login('a ', a!.secret),
    login('unknown', a!.secret),
    login('+', a!.secret),
    login('khlong-internal', a!.secret),
  ]
  let questions = 0
  for (const isOpen of [true, false]) {
    const [ours, theirs] = await brokers(t, data, isOpen)
    for (const each of logins) {
      // Rights are asked for with the help of a client that has no name.
      const ask = async (url: string): Promise<string[]> => {
        if (isOpen) return rightsOf(t, url, each)
        const client = await connect(url, each)
        if (typeof client === 'string') return [client]
        await client.endAsync()
        return ['let in']
      }
      const answer = await ask(ours)
      assert.deepEqual(answer, await ask(theirs), `${JSON.stringify(each)} where open is ${isOpen}`)
      questions += answer.some((right) => /^(read|write)/.test(right)) ? 2 * topics.length : 1
      if (each === logins[1] && isOpen)
        assert.deepEqual(
          answer.filter((right) => right.includes('/a/')),
          ['write devices/a/commands', 'read devices/a/commands/ack'],
        )
      if (each.name === 'a' && each === logins[0] && isOpen)
        assert.deepEqual(answer, [
          'write iot-frames',
          'write devices/a',
          'write devices/a/commands',
          'write devices/a/commands/ack',
          'write devices/a/b/commands',
          'read devices/a',
          'read devices/a/commands',
          'read devices/a/commands/ack',
          'read devices/a/b/commands',
        ])
    }
  }
  assert.equal(questions, 3 * 2 * topics.length + 10 + 13)
})
