import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import mqtt from 'mqtt-packet'
import { PacketReader } from '../src/connectors/mqtt/packet-reader.ts'

const message = fc.record(
  {
    topic: fc.string({ minLength: 1, maxLength: 30, unit: 'binary' }),
    payload: fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes)),
    qos: fc.constantFrom(0 as const, 1 as const, 2 as const),
    retain: fc.boolean(),
    dup: fc.boolean(),
    messageId: fc.integer({ min: 1, max: 65_535 }),
  },
  { noNullPrototype: true },
)

/** Reads bytes in pieces; other packets are given as their first byte. */
function readInPieces(version: 4 | 5, bytes: Buffer, pieceBytes: number): unknown[] {
  const found: unknown[] = []
  const reader = new PacketReader(version, {
    onPublish: (packet) => found.push({ ...packet, payload: Buffer.from(packet.payload) }),
    onPacket: (packet) => found.push(packet[0]),
  })
  for (let at = 0; at < bytes.byteLength; at += pieceBytes)
    reader.read(bytes.subarray(at, at + pieceBytes))
  return found
}

test('messages arrive as they were sent, however the bytes are cut', () => {
  fc.assert(
    fc.property(
      fc.array(message, { maxLength: 6 }),
      fc.constantFrom(4 as const, 5 as const),
      fc.integer({ min: 1, max: 900 }),
      (messages, protocolVersion, pieceBytes) => {
        const puback = Buffer.of(0x40, 2, 0, 1)
        const sent = messages.flatMap((one) => [
          mqtt.generate(
            {
              cmd: 'publish',
              ...one,
              dup: one.dup && one.qos > 0,
              ...(protocolVersion === 5
                ? { properties: { userProperties: { a: 'x'.repeat(100) }, contentType: 'json' } }
                : {}),
            },
            { protocolVersion },
          ),
          puback,
        ])
        assert.deepEqual(
          readInPieces(protocolVersion, Buffer.concat(sent), pieceBytes),
          messages.flatMap((one) => [
            { ...one, dup: one.dup && one.qos > 0, messageId: one.qos > 0 ? one.messageId : 0 },
            0x40,
          ]),
        )
      },
    ),
  )
})

test('any bytes are packets or an error', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      fc.constantFrom(4 as const, 5 as const),
      (bytes, version) => {
        try {
          readInPieces(version, Buffer.from(bytes), 7)
        } catch (error) {
          assert.match((error as Error).message, /^the broker sent a /)
        }
      },
    ),
  )
  const cut = Buffer.of(0x32, 5, 0, 9, 0x61, 0x62, 0x63)
  assert.throws(() => readInPieces(4, cut, 100), /malformed message/)
  assert.throws(() => readInPieces(4, Buffer.of(0x32, 255, 255, 255, 255, 1), 100), /length/)
})
