import type { IConnackPacket } from 'mqtt-packet'
import { boolean, type ConfigMap, int, list, string } from '../../config/fields.ts'
import { ConfigSpec, type ConfigValues } from '../../config/spec.ts'
import { parseJson } from '../../converters/json.ts'
import type { Header, SourceRecord } from '../../data/record.ts'
import {
  booleanSchema,
  bytesSchema,
  type ConnectValue,
  int32Schema,
  isObject,
  stringSchema,
} from '../../data/schema.ts'
import { ConnectError } from '../../errors.ts'
import type { SourcePlugin, SourceTask, SourceTaskContext } from '../../plugin.ts'
import type { MqttClient } from './client.ts'
import {
  clientIdOf,
  clientOptions,
  connectionFields,
  licenceFields,
  licencePrefixes,
} from './connection.ts'
import { MqttLink } from './link.ts'
import type { Publish } from './packet-reader.ts'

const fields = {
  ...connectionFields,
  'mqtt.topics': list('The MQTT topics to read; + and # are wildcards.', { importance: 'HIGH' }),
  'mqtt.qos': int('The QoS level to subscribe with.', {
    default: 0,
    choices: ['0', '1', '2'],
  }),
  'kafka.topic': string('The Kafka topic to write to.', { default: 'mqtt', importance: 'HIGH' }),
  'mqtt.key.field': string(
    'Ours: the field of a JSON payload whose text becomes the record key. Without it the key is the MQTT topic.',
    { default: '' },
  ),
  'mqtt.shared.group': string(
    'Ours: several tasks (tasks.max) read the topics together, by a shared subscription of this group. Messages of one sensor then come by any task, and not in their order.',
    { default: '', check: (text) => (/[/+#]/.test(text) ? 'no /, + or # in it' : undefined) },
  ),
  'mqtt.retained.skip': boolean(
    'Ours: whether retained copies that a new subscription replays are skipped.',
    { default: true, importance: 'LOW' },
  ),
  'mqtt.receive.maximum': int(
    'Ours: how many messages may be under way from the broker to Kafka (MQTT 5; brokers of 3.1.1 have a limit of their own).',
    {
      default: 2_000,
      importance: 'LOW',
      check: (value) => (value >= 1 && value <= 65_535 ? undefined : 'expected 1 to 65535'),
    },
  ),
  'mqtt.inflight.bytes': int(
    'Ours: how many bytes of payload may be under way; beyond it the broker is not read.',
    {
      default: 16 * 1024 * 1024,
      importance: 'LOW',
      check: (value) => (value >= 1 ? undefined : 'expected at least 1'),
    },
  ),
  'max.retry.time.ms': int('How long Confluent tries to reach the broker; we try on.', {
    default: 30_000,
    importance: 'LOW',
    ignored: 'the task connects again for as long as it runs, and says so in its note',
  }),
  ...licenceFields,
}
const spec = new ConfigSpec(fields, 'MQTT')

/** `io.confluent.connect.mqtt.MqttSourceConnector` */
export const mqttSource: SourcePlugin = {
  kind: 'source',
  className: 'io.confluent.connect.mqtt.MqttSourceConnector',
  version: '0.1.0',
  spec,
  prefixes: licencePrefixes,
  describe: (config) => spec.parse(config)['mqtt.topics'].map((topic) => `mqtt:${topic}`),
  // The broker is told after Kafka, and may not hear it: then a message comes again.
  isExactlyOnce: () => false,
  topics: (config) => [spec.parse(config)['kafka.topic']],
  taskCount: (config, tasksMax) => (spec.parse(config)['mqtt.shared.group'] === '' ? 1 : tasksMax),
  createTask: (config, context) => new MqttSourceTask(config, context),
}

/** A message on its way to Kafka: what is needed to acknowledge it. */
interface Pending {
  readonly messageId: number
  readonly qos: 0 | 1 | 2
  readonly topic: string
  readonly byteCount: number
  /** A retained copy: it makes no record, and is acknowledged in its turn. */
  readonly isSkipped: boolean
  client: MqttClient
}

/**
 * Invariants:
 * - `#pending` has the messages that were handed over and are not yet durable, in order of arrival;
 *   `#records` are the newest of them, not yet polled.
 * - A message is acknowledged only on the connection that brought it: after a reconnect the broker
 *   sends what was not acknowledged again.
 */
class MqttSourceTask implements SourceTask {
  readonly #options: ConfigValues<typeof fields>
  readonly #context: SourceTaskContext
  readonly #link: MqttLink
  readonly #subscribed: { readonly topics: string[]; readonly qos: number }
  #records: SourceRecord[] = []
  #pending: Pending[] = []
  #pendingBytes = 0
  // The connection that is not read because too much is under way.
  #paused: MqttClient | undefined
  #isReady = false
  #failure: Error | undefined
  #wake: (() => void) | undefined
  // Messages of QoS 2 that the broker was told are ours, until it releases them.
  readonly #received = new Set<number>()
  readonly #headersByTopic = new Map<string, Header>()

  constructor(config: ConfigMap, context: SourceTaskContext) {
    this.#options = spec.parse(config)
    this.#context = context
    this.#subscribed = {
      topics: subscribedTopics(this.#options),
      qos: this.#options['mqtt.qos'],
    }
    this.#link = new MqttLink(
      {
        client: clientOptions(this.#options, context),
        version: this.#options['mqtt.version'],
        receiveMaximum: this.#options['mqtt.receive.maximum'],
        backoffMs: this.#options['mqtt.reconnect.backoff.ms'],
        backoffMaxMs: this.#options['mqtt.reconnect.backoff.max.ms'],
        clock: context.clock,
        random: context.random,
      },
      {
        onConnected: (client, connack) => this.#subscribe(client, connack),
        onReady: () => this.#setReady(true),
        onPublish: (client, packet) => this.#onPublish(client, packet),
        onRelease: (messageId) => {
          this.#received.delete(messageId)
        },
        onLost: () => {
          this.#paused = undefined
          this.#setReady(false)
        },
        onRefused: (error) => {
          this.#failure = error
          this.#wake?.()
        },
      },
    )
  }

  get note(): string | undefined {
    return this.#link.note
  }

  get isReady(): boolean {
    return this.#isReady
  }

  async start(): Promise<void> {
    this.#link.open()
  }

  async poll(signal: AbortSignal): Promise<readonly SourceRecord[]> {
    if (this.#records.length === 0 && !this.#failure && !signal.aborted)
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          signal.removeEventListener('abort', wake)
          this.#wake = undefined
          resolve()
        }
        this.#wake = wake
        signal.addEventListener('abort', wake, { once: true })
      })
    if (this.#failure) throw this.#failure
    const records = this.#records
    this.#records = []
    return records
  }

  commit(count: number): void {
    let end = 0
    for (let left = count; end < this.#pending.length; end++)
      if (!this.#pending[end]!.isSkipped && left-- === 0) break
    let client: MqttClient | undefined
    let ids: number[] = []
    for (const item of this.#pending.splice(0, end)) {
      this.#pendingBytes -= item.byteCount
      if (item.client !== client) {
        if (client && ids.length > 0) client.acknowledge(ids)
        client = item.client
        ids = []
      }
      if (item.qos === 1) ids.push(item.messageId)
      else if (item.qos === 2) this.#take(item.client, item.messageId)
    }
    if (client && ids.length > 0) client.acknowledge(ids)
    if (this.#paused && this.#pendingBytes < this.#options['mqtt.inflight.bytes'] / 2) {
      this.#paused.setReading(true)
      this.#paused = undefined
    }
  }

  async stop(): Promise<void> {
    this.#isReady = false
    await this.#link.close()
  }

  async #subscribe(client: MqttClient, connack: IConnackPacket): Promise<void> {
    const { topics } = this.#subscribed
    const qos = this.#options['mqtt.qos'] as 0 | 1 | 2
    const clientId = clientIdOf(this.#options['mqtt.client.id'], this.#context)
    const place = { client: clientId, broker: 'mqtt' }
    const before = this.#context.readOffset(place)
    if (!connack.sessionPresent) this.#received.clear()
    const isSame = JSON.stringify(before ?? null) === JSON.stringify(this.#subscribed)
    if (!connack.sessionPresent || !isSame) {
      const dropped = topicsOf(before).filter((topic) => !topics.includes(topic))
      if (connack.sessionPresent && dropped.length > 0) await client.unsubscribe(dropped)
      const granted = await client.subscribe(topics.map((topic) => ({ topic, qos })))
      const refused = topics.filter((_topic, index) => (granted[index] ?? 0) >= 0x80)
      if (refused.length > 0)
        throw new ConnectError(
          'CONNECT_FAILED',
          `the MQTT broker refuses the subscription to ${refused.join(', ')}`,
        )
      if (!isSame && !this.#options['mqtt.clean.session.enabled'])
        await this.#context.writeOffset(place, this.#subscribed)
    }
  }

  #setReady(isReady: boolean): void {
    this.#isReady = isReady
    this.#context.onReadyChange()
  }

  #onPublish(client: MqttClient, packet: Publish): void {
    const { messageId, payload } = packet
    if (packet.dup && this.#isKnown(client, packet, payload.byteLength)) return
    const isSkipped = packet.retain && this.#options['mqtt.retained.skip']
    this.#pending.push({
      messageId,
      qos: packet.qos,
      topic: packet.topic,
      byteCount: payload.byteLength,
      isSkipped,
      client,
    })
    this.#pendingBytes += payload.byteLength
    if (!isSkipped) this.#records.push(this.#record(packet, payload))
    else if (this.#pending.length === 1) this.commit(0)
    if (!this.#paused && this.#pendingBytes > this.#options['mqtt.inflight.bytes']) {
      this.#paused = client
      client.setReading(false)
    }
    this.#wake?.()
  }

  /** Whether a message that the broker sends again is already on its way, or already ours. */
  #isKnown(client: MqttClient, packet: Publish, byteCount: number): boolean {
    const { messageId } = packet
    if (packet.qos === 2 && this.#received.has(messageId)) {
      client.received(messageId)
      return true
    }
    const known = this.#pending.find(
      (item) =>
        item.client !== client &&
        item.messageId === messageId &&
        item.qos === packet.qos &&
        item.topic === packet.topic &&
        item.byteCount === byteCount,
    )
    // From now on it is acknowledged on the connection that brought it again.
    if (known) known.client = client
    return known !== undefined
  }

  #take(client: MqttClient, messageId: number): void {
    this.#received.add(messageId)
    client.received(messageId)
  }

  #record(packet: Publish, value: Buffer): SourceRecord {
    const record = {
      topic: this.#options['kafka.topic'],
      partition: null,
      keySchema: stringSchema,
      key: packet.topic,
      valueSchema: bytesSchema,
      value,
      timestampMs: null,
      headers: this.#headers(packet),
      raw: value,
    }
    const field = this.#options['mqtt.key.field']
    if (field === '') return record
    try {
      return { ...record, key: keyOf(value, field) }
    } catch (error) {
      return { ...record, keySchema: undefined, key: null, error: error as ConnectError }
    }
  }

  #headers(packet: Publish): Header[] {
    let topic = this.#headersByTopic.get(packet.topic)
    if (!topic) {
      // Bounded: a device that makes up topics cannot make us keep them all.
      if (this.#headersByTopic.size >= 1_000) this.#headersByTopic.clear()
      topic = { key: 'mqtt.topic', schema: stringSchema, value: packet.topic }
      this.#headersByTopic.set(packet.topic, topic)
    }
    return [
      { key: 'mqtt.message.id', schema: int32Schema, value: packet.messageId },
      qosHeaders[packet.qos]!,
      packet.retain ? retained : notRetained,
      packet.dup ? duplicate : notDuplicate,
      topic,
    ]
  }
}

const flag = (key: string, value: boolean): Header => ({ key, schema: booleanSchema, value })
const retained = flag('mqtt.retained', true)
const notRetained = flag('mqtt.retained', false)
const duplicate = flag('mqtt.duplicate', true)
const notDuplicate = flag('mqtt.duplicate', false)
const qosHeaders = [0, 1, 2].map(
  (value): Header => ({ key: 'mqtt.qos', schema: int32Schema, value }),
)

/** @throws ConnectError `CONNECT_DATA` where the payload is no JSON object or lacks the field. */
function keyOf(payload: Buffer, field: string): string {
  const json = parseJson(payload)
  const value = isObject(json) ? json[field] : undefined
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint')
    return String(value)
  throw new ConnectError(
    'CONNECT_DATA',
    `the message has no text or number in its field ${field}, which is to be the record key`,
  )
}

function subscribedTopics(options: ConfigValues<typeof fields>): string[] {
  const group = options['mqtt.shared.group']
  const topics = [...options['mqtt.topics']].sort()
  return group === '' ? topics : topics.map((topic) => `$share/${group}/${topic}`)
}

function topicsOf(offset: { readonly [key: string]: ConnectValue } | undefined): string[] {
  const topics = offset?.topics
  return Array.isArray(topics) ? topics.map(String) : []
}
