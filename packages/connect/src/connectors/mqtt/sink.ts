import { boolean, type ConfigMap, int, string } from '../../config/fields.ts'
import { ConfigSpec, type ConfigValues } from '../../config/spec.ts'
import { parseJson } from '../../converters/json.ts'
import { javaText } from '../../converters/simple.ts'
import type { SinkRecord } from '../../data/record.ts'
import { isObject } from '../../data/schema.ts'
import { ConnectError } from '../../errors.ts'
import type { SinkPlugin, SinkTask, SinkTaskContext } from '../../plugin.ts'
import type { MqttClient } from './client.ts'
import { clientOptions, connectionFields, licenceFields, licencePrefixes } from './connection.ts'
import { MqttLink } from './link.ts'

const fields = {
  ...connectionFields,
  'mqtt.qos': int('The QoS level to publish with.', { default: 1, choices: ['0', '1', '2'] }),
  'mqtt.retained.enabled': boolean('Whether messages are retained by the broker.', {
    default: false,
  }),
  'mqtt.topic': string(
    'Ours: the MQTT topic to publish to, in which topic and key in braces after a dollar stand for those of the record. Default: the Kafka topic.',
    { default: '' },
  ),
  'mqtt.message.expiry.field': string(
    'Ours: the field of the JSON value with the time, in epoch milliseconds, after which the message is of no use: it is then not published, and the broker (MQTT 5) does not hand it over later. Without it messages do not expire.',
    { default: '' },
  ),
  'max.retry.time.ms': int('How long Confluent tries to reach the broker; we try on.', {
    default: 30_000,
    importance: 'LOW',
    ignored: 'records wait for as long as the broker is away, and the connector says so',
  }),
  ...licenceFields,
}
const spec = new ConfigSpec(fields, 'MQTT')

/** `io.confluent.connect.mqtt.MqttSinkConnector`: commands to devices. */
export const mqttSink: SinkPlugin = {
  kind: 'sink',
  className: 'io.confluent.connect.mqtt.MqttSinkConnector',
  version: '0.1.0',
  spec,
  prefixes: licencePrefixes,
  describe(config) {
    const topic = spec.parse(config)['mqtt.topic']
    return [`mqtt:${topic || (config.topics ?? '')}`]
  },
  createTask: (config, context) => new MqttSinkTask(config, context),
}

/** A batch is put when the broker has acknowledged each message as its QoS promises. */
class MqttSinkTask implements SinkTask {
  readonly #options: ConfigValues<typeof fields>
  readonly #context: SinkTaskContext
  readonly #link: MqttLink
  #failure: Error | undefined

  constructor(config: ConfigMap, context: SinkTaskContext) {
    this.#options = spec.parse(config)
    this.#context = context
    this.#link = new MqttLink(
      {
        client: clientOptions(this.#options, context),
        version: this.#options['mqtt.version'],
        receiveMaximum: 65_535,
        backoffMs: this.#options['mqtt.reconnect.backoff.ms'],
        backoffMaxMs: this.#options['mqtt.reconnect.backoff.max.ms'],
        clock: context.clock,
        random: context.random,
      },
      {
        onConnected: async () => {},
        onReady: () => {},
        onPublish: () => {},
        onRelease: () => {},
        onLost: () => {},
        onRefused: (error) => {
          this.#failure = error
        },
      },
    )
  }

  get note(): string | undefined {
    return this.#link.note
  }

  async start(): Promise<void> {
    this.#link.open()
  }

  async put(records: readonly SinkRecord[]): Promise<void> {
    if (this.#failure) throw this.#failure
    const { client } = this.#link
    if (!client)
      throw new ConnectError('CONNECT_RETRIABLE', this.#link.note ?? 'the MQTT broker is away')
    // No more than the broker takes before it acknowledges; messages keep their order.
    const size = Math.min(1_000, client.sendMaximum)
    for (let start = 0; start < records.length; start += size)
      await Promise.all(
        records.slice(start, start + size).map((record) => this.#publish(client, record)),
      )
  }

  async stop(): Promise<void> {
    await this.#link.close()
  }

  async #publish(client: MqttClient, record: SinkRecord): Promise<void> {
    try {
      const topic = topicOf(this.#options['mqtt.topic'], record)
      const payload = payloadOf(record)
      const expirySeconds = this.#expirySeconds(payload)
      if (expirySeconds === 0) return
      await client.publish({
        topic,
        payload,
        qos: this.#options['mqtt.qos'] as 0 | 1 | 2,
        retain: this.#options['mqtt.retained.enabled'],
        expirySeconds,
      })
    } catch (error) {
      if (error instanceof ConnectError) {
        this.#context.reportErrant(record, error)
        return
      }
      // The connection broke: the whole batch is published again when it is back.
      throw new ConnectError('CONNECT_RETRIABLE', (error as Error).message, { cause: error })
    }
  }

  /**
   * For how long the message is of use: 0 where no longer, undefined where it does not expire.
   *
   * @throws ConnectError `CONNECT_DATA` where the field is no time
   */
  #expirySeconds(payload: Buffer): number | undefined {
    const field = this.#options['mqtt.message.expiry.field']
    if (field === '') return undefined
    const json = parseJson(payload)
    const expiresMs = isObject(json) ? json[field] : undefined
    if (expiresMs === undefined || expiresMs === null) return undefined
    const leftMs = Number(expiresMs) - this.#context.clock.nowMs()
    if (Number.isNaN(leftMs))
      throw new ConnectError('CONNECT_DATA', `the field ${field} of a message is no time in ms`)
    return Math.min(secondsMax, Math.max(0, Math.ceil(leftMs / 1_000)))
  }
}

const keyMark = `\${key}`
/** As much as the four bytes of MQTT's property hold. */
const secondsMax = 0xffff_ffff

/** @throws ConnectError `CONNECT_DATA` where the topic would be none to publish to. */
function topicOf(pattern: string, record: SinkRecord): string {
  if (record.key === null && pattern.includes(keyMark))
    throw new ConnectError('CONNECT_DATA', 'the MQTT topic needs the key of a record that has none')
  const topic =
    pattern === ''
      ? record.topic
      : pattern.replaceAll(/\$\{(topic|key)\}/g, (_whole, name: string) =>
          name === 'topic' ? record.topic : javaText(record.key),
        )
  if (topic === '' || /[+#\0]/.test(topic))
    throw new ConnectError('CONNECT_DATA', 'the MQTT topic of a record is empty or has wildcards')
  return topic
}

function payloadOf({ value }: SinkRecord): Buffer {
  if (value === null) return Buffer.alloc(0)
  if (value instanceof Uint8Array) return Buffer.from(value)
  return Buffer.from(
    isObject(value) || Array.isArray(value) ? JSON.stringify(value) : javaText(value),
  )
}
