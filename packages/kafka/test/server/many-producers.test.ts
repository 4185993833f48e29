import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { SettingsError } from '@khlong/core'
import { Reader, Writer } from '@khlong/core/bytes'
import { eventually, FakeClock } from '@khlong/core/testing'
import { ApiKey, beginFrame, encodeRequestHeader, endFrame } from '@khlong/kafka-protocol'
import {
  decodeProduceResponse,
  encodeProduceRequest,
} from '@khlong/kafka-protocol/messages/produce'
import { BatchBuilder } from '@khlong/kafka-protocol/records'
import { type KafkaBroker, resolveKafkaOptions } from '../../src/index.ts'
import { startBroker } from '../helpers.ts'
import { openAs } from '../security/secure-broker.ts'
import { createTopic } from '../transactional-client.ts'
import { Wire } from '../wire.ts'

const mebibyte = 1024 * 1024
const budgetBytes = 4 * mebibyte
const producerCount = 40
/** What was read before the length of a frame was known. */
const readBytes = 65_536
const stalledMs = 30_000
const settings = {
  'ack.flush': 'none',
  'socket.request.max.bytes': 2 * mebibyte,
  'queued.max.request.bytes': budgetBytes,
} as const

test('what producers send at once stays below queued.max.request.bytes, and all are answered', async (t) => {
  const { address, broker } = await startBroker(t, settings)
  const wire = await Wire.open(address)
  t.after(() => wire.close())
  await createTopic(wire, 'large', 1)
  const request = produceRequest(mebibyte - 10_000)
  collectGarbage()
  const before = process.memoryUsage().arrayBuffers
  const producers = await openAll(t, address)
  // Nobody sends the last byte before all have sent the others.
  for (const { socket } of producers) socket.write(request.subarray(0, -1))
  await eventually(() => assert.ok(waiting(broker) >= producerCount - 5), 60_000)
  const held = metric(broker, 'khlong_kafka_request_bytes')
  assert.ok(held >= budgetBytes && held < budgetBytes + mebibyte, `${held} bytes of requests`)
  await eventually(() => {
    collectGarbage()
    const bytes = process.memoryUsage().arrayBuffers - before
    const bytesMax = budgetBytes + mebibyte + 2 * producerCount * readBytes
    assert.ok(bytes < bytesMax, `${bytes} bytes in memory`)
  })
  // Others that send little are served all the same.
  await wire.send(ApiKey.apiVersions, 0, () => {})
  for (const { socket } of producers) socket.write(request.subarray(-1))
  await Promise.all(producers.map(async ({ answer }) => assert.equal(errorOf(await answer), 0)))
  await eventually(() => assert.equal(metric(broker, 'khlong_kafka_request_bytes'), 0))
  assert.equal(waiting(broker), 0)
})

test('while others wait, a producer that does not send what it began is cut', async (t) => {
  const clock = new FakeClock(Date.now())
  const { address, broker } = await startBroker(t, settings, { clock })
  const wire = await Wire.open(address)
  t.after(() => wire.close())
  await createTopic(wire, 'large', 1)
  const request = produceRequest(mebibyte - 10_000)
  const silent = await openAll(t, address, 8)
  const cut: Socket[] = []
  for (const { socket } of silent) {
    socket.on('close', () => cut.push(socket))
    socket.write(request.subarray(0, -1))
  }
  await eventually(() => assert.equal(waiting(broker), 3))
  const [late] = await openAll(t, address, 1)
  late!.socket.write(request)
  await eventually(() => assert.equal(waiting(broker), 4))
  // Once they were looked at, and once they had sent nothing more; then those who had waited.
  for (let look = 0; look < 4; look++) clock.advance(stalledMs)
  assert.equal(errorOf(await late!.answer), 0)
  assert.ok(cut.length > 0 && cut.length < 8, `${cut.length} were cut`)
})

test('strangers who announce much and send little take no memory from those who logged in', async (t) => {
  const { broker } = await startBroker(t, {
    ...settings,
    listeners: 'SASL_PLAINTEXT://127.0.0.1:0',
    'sasl.enabled.mechanisms': 'PLAIN',
    'listener.name.sasl_plaintext.plain.sasl.jaas.config':
      'org.apache.kafka.common.security.plain.PlainLoginModule required user_admin="admin-secret";',
  })
  const address = broker.addresses.SASL_PLAINTEXT!
  const admin = await openAs(address, 'admin')
  t.after(() => admin.close())
  await createTopic(admin, 'large', 1)
  const strangers = await openAll(t, address)
  const announced = Buffer.alloc(100_000, 1)
  announced.writeInt32BE(500_000)
  for (const { socket } of strangers) socket.write(announced)
  // Forty times 500 kB: more than there is for logins, and five times what there is for clients.
  await eventually(() => assert.ok(waiting(broker) > 0))
  const body = produceBody(mebibyte - 10_000)
  const answer = await admin.send(ApiKey.produce, 8, (w) => encodeProduceRequest(w, body, 8))
  const { responses } = decodeProduceResponse(answer, 8)
  assert.equal(responses[0]!.partitionResponses[0]!.errorCode, 0)
})

test('the limit for all requests has room for the largest one', () => {
  const limitOf = (given: object): number => resolveKafkaOptions(given)['queued.max.request.bytes']
  assert.equal(limitOf({}), 104_857_600)
  assert.equal(limitOf({ 'socket.request.max.bytes': 200_000_000 }), 200_000_000)
  assert.equal(limitOf({ 'queued.max.request.bytes': -1 }), -1)
  assert.throws(
    () => limitOf({ 'queued.max.request.bytes': 1_000 }),
    (error) =>
      error instanceof SettingsError &&
      /queued\.max\.request\.bytes: 1000 must be larger or equal to socket\.request\.max\.bytes/.test(
        error.message,
      ),
  )
})

function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
}

function metric(broker: KafkaBroker, name: string): number {
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(broker.metrics())?.[1])
}

function waiting(broker: KafkaBroker): number {
  return metric(broker, 'khlong_kafka_requests_waiting')
}

interface Producer {
  readonly socket: Socket
  /** The response to its one request. */
  readonly answer: Promise<Buffer>
}

async function openAll(
  t: { after(done: () => void): void },
  address: string,
  count = producerCount,
): Promise<Producer[]> {
  const [host = '', port = ''] = address.split(':')
  return Promise.all(
    Array.from({ length: count }, async () => {
      const socket = connect(Number(port), host)
      t.after(() => socket.destroy())
      socket.on('error', () => {})
      await once(socket, 'connect')
      const answer = new Promise<Buffer>((resolve) => socket.once('data', resolve))
      return { socket, answer }
    }),
  )
}

function produceBody(valueBytes: number) {
  const builder = new BatchBuilder({})
  builder.append(null, Buffer.alloc(valueBytes, 1), [], Date.now())
  const partitionData = [{ index: 0, records: builder.build() }]
  return { acks: -1, timeoutMs: 30_000, topicData: [{ name: 'large', partitionData }] }
}

function produceRequest(valueBytes: number): Buffer {
  const writer = new Writer()
  const start = beginFrame(writer)
  const header = { apiKey: ApiKey.produce, apiVersion: 8, correlationId: 1, clientId: 'many' }
  encodeRequestHeader(writer, header)
  encodeProduceRequest(writer, produceBody(valueBytes), 8)
  endFrame(writer, start)
  return writer.copy()
}

function errorOf(answer: Buffer): number {
  const { responses } = decodeProduceResponse(new Reader(answer.subarray(8)), 8)
  return responses[0]!.partitionResponses[0]!.errorCode
}
