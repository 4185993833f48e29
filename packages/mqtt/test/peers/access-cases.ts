import { setTimeout as delay } from 'node:timers/promises'
import type { RawClient } from '../helpers.ts'

/** What one client does, and how. */
export interface AccessCase {
  /** Which of the listeners; 0 without a word. */
  readonly listener?: number
  /** Of a client over TLS; `none` for TLS without one. */
  readonly certificate?: string
  readonly version?: 3 | 4 | 5
  readonly clientId?: string
  /** `name:password`; a name alone is without a password, nothing is anonymous. */
  readonly login?: string
  /** Only logs in; or publishes, subscribes, leaves a will, or asks for what is retained. */
  readonly does?: 'publish' | 'subscribe' | 'will' | 'retained'
  readonly topic?: string
  /** Of a publish, a subscription or a will. */
  readonly qos?: 0 | 1 | 2
}

/** How to reach a broker that is asked. */
export interface AskedBroker {
  connect(listener: number, version: number, certificate: string | undefined): RawClient
}

const word = (value: unknown): string => (value === undefined ? 'closed' : String(value))
const reasonOf = (packet: Record<string, unknown> | undefined): string =>
  packet === undefined ? 'closed' : word(packet.reasonCode ?? packet.returnCode ?? 0)

/** Does what the case says and tells in a few words what came of it. */
export async function observe(broker: AskedBroker, one: AccessCase): Promise<string> {
  const { listener = 0, version = 4, clientId = 'client', login, does, topic = 't', qos = 1 } = one
  const open: RawClient[] = []
  const enter = async (
    id: string,
    credentials: string | undefined,
    fields: Record<string, unknown> = {},
    at = listener,
    speaks: number = version,
    certificate?: string,
  ): Promise<{ client: RawClient; answer: string }> => {
    const client = broker.connect(at, speaks, certificate)
    open.push(client)
    const [username, password] = credentials?.split(':') ?? []
    const names = speaks === 3 ? { protocolId: 'MQIsdp' } : {}
    const connack = await client.connect(id, {
      ...names,
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
      ...fields,
    })
    return { client, answer: connack === undefined ? 'closed' : reasonOf(connack) }
  }
  try {
    // The administrator may do everything, and sees what arrives.
    const admin = async (id: string): Promise<RawClient> =>
      (await enter(id, 'admin:admin-secret', {}, 0, 5)).client
    const will =
      does === 'will'
        ? { will: { topic, payload: Buffer.from('gone'), qos: 1, retain: false } }
        : {}
    if (does === undefined)
      return `connack ${(await enter(clientId, login, {}, listener, version, one.certificate)).answer}`
    const watcher = await admin('watcher')
    if (does === 'publish' || does === 'will') await watcher.subscribe(topic, 0)
    if (does === 'retained') {
      watcher.publish(topic, 'kept', { retain: true, qos: 1, messageId: 5 })
      await watcher.next()
    }
    const { client, answer } = await enter(
      clientId,
      login,
      will,
      listener,
      version,
      one.certificate,
    )
    if (answer !== '0') return `connack ${answer}`
    if (does === 'publish') {
      client.publish(topic, 'x', qos === 0 ? {} : { qos, messageId: 7 })
      const acknowledged = qos === 0 ? 'sent' : reasonOf(await client.next())
      if (qos === 2) {
        client.send({ cmd: 'pubrel', messageId: 7 })
        await client.next()
      }
      if (!client.isClosed) await client.settled()
      return `publish ${acknowledged}, ${await arrives(watcher)}`
    }
    if (does === 'will') {
      client.socket.destroy()
      return `will ${await arrives(watcher)}`
    }
    const suback = await client.subscribe(topic, qos)
    const granted = `subscribe ${word(suback?.granted)}`
    if (suback === undefined) return granted
    if (does === 'retained') return `${granted}, ${await arrives(client)}`
    const exact = topic
      .replace('#', 'deep/er')
      .replaceAll('+', 'level')
      .replace(/^\$share\/g\//, '')
    watcher.publish(exact, 'x')
    await watcher.settled()
    return `${granted}, ${await arrives(client)}`
  } finally {
    if (does === 'retained') {
      const cleaner = (await enter('cleaner', 'admin:admin-secret', {}, 0, 5)).client
      cleaner.publish(topic, '', { retain: true, qos: 1, messageId: 6 })
      await cleaner.next()
    }
    for (const client of open) await client.end()
  }
}

/** Whether a message comes before the answer to a ping that is sent a little later. */
async function arrives(client: RawClient): Promise<string> {
  await delay(15)
  client.send({ cmd: 'pingreq' })
  let got = 'nothing arrives'
  for (;;) {
    const packet = await client.next()
    if (packet === undefined || packet.cmd === 'pingresp') return got
    if (packet.cmd === 'publish') got = 'arrives'
  }
}
