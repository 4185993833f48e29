import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { generate, type Packet } from 'mqtt-packet'
import { ProtocolError } from '../../src/errors.ts'
import { admit } from '../../src/handlers/connect.ts'
import { resolveMqttOptions } from '../../src/options.ts'
import { decodeControlPacket } from '../../src/protocol/control-packets.ts'
import { PacketFramer } from '../../src/protocol/framing.ts'
import { decodePublish } from '../../src/protocol/publish.ts'
import { parseFilter } from '../../src/protocol/topic.ts'
import { publishPacket } from '../helpers.ts'

const text = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
  .filter((value) => !/[\0+#]/.test(value))

function frames(framer: PacketFramer): Buffer[] {
  const found: Buffer[] = []
  while (framer.next()) found.push(Buffer.from(framer.packet))
  return found
}

test('packets cut at any byte are the same packets', () => {
  const sizes = fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 8 })
  fc.assert(
    fc.property(
      sizes,
      fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }),
      (payloads, cuts) => {
        const packets = payloads.map((size) => publishPacket({ payload: Buffer.alloc(size, 7) }, 4))
        const stream = Buffer.concat(packets)
        const framer = new PacketFramer(10_000)
        const found: Buffer[] = []
        for (let at = 0, index = 0; at < stream.length; index++) {
          const size = cuts[index % cuts.length]!
          framer.push(stream.subarray(at, at + size))
          found.push(...frames(framer))
          at += size
        }
        assert.deepEqual(found, packets)
      },
    ),
    { numRuns: 100 },
  )
})

test('a length beyond the limit is refused before the packet has come', () => {
  const framer = new PacketFramer(1_000)
  framer.push(Buffer.from([0x30, 0xff, 0xff, 0x7f]))
  assert.throws(() => framer.next(), { code: 'MQTT_PROTOCOL', reason: 0x95 })
})

test('a length of more than four bytes is malformed', () => {
  const framer = new PacketFramer(1_000)
  framer.push(Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff, 0x01]))
  assert.throws(() => framer.next(), { code: 'MQTT_PROTOCOL', reason: 0x81 })
})

test('a PUBLISH of mqtt-packet is read, and its properties go on byte for byte', () => {
  const properties = {
    payloadFormatIndicator: true,
    messageExpiryInterval: 77,
    contentType: 'application/json',
    topicAlias: 3,
    responseTopic: 'answers/here',
    correlationData: Buffer.from([1, 2, 3]),
    userProperties: { place: 'one', kind: ['a', 'b'] },
  }
  const packet = { cmd: 'publish', topic: 'a/b', payload: 'x', qos: 1, messageId: 5, properties }
  const bytes = generate(packet as unknown as Packet, { protocolVersion: 5 })
  const framer = new PacketFramer(1_000)
  framer.push(bytes)
  assert.ok(framer.next())
  const read = decodePublish(framer.header, framer.body, 5)
  assert.equal(read.topic, 'a/b')
  assert.equal(read.packetId, 5)
  assert.equal(read.messageExpiry, 77)
  assert.equal(read.topicAlias, 3)
  assert.equal(read.payload.toString(), 'x')
  const { messageExpiryInterval: _, topicAlias: __, ...rest } = properties
  const passed = generate({ ...packet, properties: rest } as unknown as Packet, {
    protocolVersion: 5,
  })
  const { length } = read.properties
  assert.ok(passed.includes(Buffer.concat([Buffer.from([length]), read.properties])))
})

test('what is encoded as PUBLISH is read back as it was', () => {
  fc.assert(
    fc.property(
      text,
      fc.uint8Array({ maxLength: 300 }),
      fc.constantFrom(0, 1, 2),
      fc.boolean(),
      fc.constantFrom(4, 5),
      (topic, payload, qos, retain, version) => {
        const fields = { topic, payload: Buffer.from(payload), qos, retain, packetId: 77 } as const
        const framer = new PacketFramer(10_000)
        framer.push(publishPacket(fields as never, version as 4))
        assert.ok(framer.next())
        const read = decodePublish(framer.header, framer.body, version as 4)
        assert.equal(read.topic, topic)
        assert.deepEqual(read.payload, fields.payload)
        assert.equal(read.qos, qos)
        assert.equal(read.retain, retain)
        assert.equal(read.packetId, qos === 0 ? 0 : 77)
      },
    ),
  )
})

test('any bytes are a packet or a protocol error', () => {
  const bytes = fc.uint8Array({ maxLength: 80 })
  const decode = (run: () => unknown): void => {
    try {
      run()
    } catch (error) {
      assert.ok(error instanceof ProtocolError, String(error))
    }
  }
  fc.assert(
    fc.property(
      bytes,
      fc.constantFrom(3, 4, 5),
      fc.integer({ min: 0, max: 15 }),
      (body, version, flags) => {
        const buffer = Buffer.from(body)
        decode(() => decodePublish(0x30 | flags, buffer, version as 5))
        for (const header of [0x10, 0x82, 0xa2, 0xe0]) {
          const packet = Buffer.concat([Buffer.from([header, buffer.length]), buffer])
          decode(() => decodeControlPacket(packet, header === 0x10 ? 0 : (version as 5)))
        }
      },
    ),
    { numRuns: 2_000 },
  )
})

test('a packet with a few wrong bytes is read, or is a protocol error', () => {
  const will = {
    topic: 'wills',
    payload: Buffer.from('gone'),
    qos: 1,
    retain: true,
    properties: {
      willDelayInterval: 5,
      payloadFormatIndicator: true,
      messageExpiryInterval: 9,
      contentType: 'text',
      responseTopic: 'back',
      correlationData: Buffer.from([1]),
      userProperties: { a: ['b', 'c'], d: 'e' },
    },
  }
  const connect = {
    ...{ cmd: 'connect', protocolVersion: 5, clientId: 'c', clean: true, keepalive: 9, will },
    ...{ username: 'u', password: Buffer.from('p') },
    properties: { sessionExpiryInterval: 7, receiveMaximum: 3, userProperties: { x: 'y' } },
  }
  const subscribe = {
    ...{ cmd: 'subscribe', messageId: 1, properties: { subscriptionIdentifier: 300 } },
    subscriptions: [{ topic: 'a/#', qos: 1, nl: true, rap: true, rh: 2 }],
  }
  const disconnect = { cmd: 'disconnect', reasonCode: 4, properties: { sessionExpiryInterval: 7 } }
  const options = resolveMqttOptions({ persistence: false })
  const valid = [connect, subscribe, disconnect].map((packet) =>
    generate(packet as unknown as Packet, { protocolVersion: 5 }),
  )
  const change = fc.tuple(fc.nat({ max: 200 }), fc.nat({ max: 255 }))
  const changes = fc.array(change, { maxLength: 4 })
  fc.assert(
    fc.property(fc.constantFrom(0, 1, 2), changes, (index, places) => {
      const packet = Buffer.from(valid[index]!)
      // The framing has read the first two bytes.
      for (const [at, value] of places) packet[2 + (at % (packet.length - 2))] = value
      try {
        const decoded = decodeControlPacket(packet, index === 0 ? 0 : 5)
        if (decoded.cmd === 'connect') admit(decoded, options, options.listeners[0]!, () => 'new')
      } catch (error) {
        assert.ok(error instanceof ProtocolError, String((error as Error).stack))
      }
    }),
    { numRuns: 2_000 },
  )
})

test('topic filters are taken apart as section 4.7 and 4.8 say', () => {
  assert.deepEqual(parseFilter('a/+/c'), { filter: 'a/+/c', share: undefined })
  assert.deepEqual(parseFilter('#'), { filter: '#', share: undefined })
  assert.deepEqual(parseFilter('/'), { filter: '/', share: undefined })
  assert.deepEqual(parseFilter('$share/g/a/#'), { filter: 'a/#', share: 'g' })
  const wrong = [
    '',
    'a/#/b',
    'a+',
    'a/b#',
    '$share',
    '$share/',
    '$share/g',
    '$share/g/',
    '$share/+/a',
    'a\0',
  ]
  for (const filter of wrong) assert.equal(parseFilter(filter), undefined, filter)
})
