import assert from 'node:assert/strict'
import test from 'node:test'
import { crc32c, ReadError, Reader, Writer } from '@khlong/core/bytes'
import fc from 'fast-check'

test('every kind of value survives the way through writer and reader', () => {
  fc.assert(
    fc.property(
      fc.record({
        int16: fc.integer({ min: -32_768, max: 32_767 }),
        int32: fc.integer(),
        int64: fc.maxSafeInteger(),
        bigint64: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
        uvarint: fc.nat({ max: 0xffff_ffff }),
        varlong: fc.integer({ min: -(2 ** 52), max: 2 ** 52 - 1 }),
        float64: fc.double({ noNaN: true }),
        text: fc.string({ unit: 'grapheme' }),
      }),
      (value) => {
        const writer = new Writer(1)
        writer.int16(value.int16).int32(value.int32).int64(value.int64).bigint64(value.bigint64)
        writer
          .uvarint(value.uvarint)
          .varint(value.int32)
          .varlong(value.varlong)
          .float64(value.float64)
        const textBytes = writer.utf8(value.text)
        const reader = new Reader(writer.bytes())
        assert.equal(reader.int16(), value.int16)
        assert.equal(reader.int32(), value.int32)
        assert.equal(reader.int64(), value.int64)
        assert.equal(reader.bigint64(), value.bigint64)
        assert.equal(reader.uvarint(), value.uvarint)
        assert.equal(reader.varint(), value.int32)
        assert.equal(reader.varlong(), value.varlong)
        assert.equal(reader.float64(), value.float64)
        assert.equal(reader.utf8(textBytes), value.text)
        reader.finish()
      },
    ),
  )
})

test('past the end a reader gives zero values and finish() tells the first problem', () => {
  const reader = new Reader(Buffer.from([1, 2]))
  assert.equal(reader.int32(), 0)
  assert.equal(reader.uint8(), 0)
  assert.throws(() => reader.finish(), ReadError)
})

test('a count that cannot be is refused before anything is allocated', () => {
  const reader = new Reader(Buffer.from([0x7f, 0xff, 0xff, 0xff, 0]))
  assert.equal(reader.count(reader.int32(), 4), 0)
  assert.throws(() => reader.finish(), /2147483647 elements/)
})

test("CRC-32C of '123456789' is the check value of RFC 3720", () => {
  assert.equal(crc32c(Buffer.from('123456789')), 0xe306_9283)
  assert.equal(crc32c(Buffer.from('6789'), crc32c(Buffer.from('12345'))), 0xe306_9283)
})

test('large pieces are borrowed and come in their places; the frame’s length counts them', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 12 })), (pieces) => {
      const writer = new Writer(1, { borrowFromBytes: 5 })
      const start = writer.reserve(4)
      for (const piece of pieces) writer.uint8(piece.byteLength).raw(piece)
      writer.setInt32(start, writer.position + writer.borrowedSince(start) - start - 4)
      const taken = writer.takePieces()
      for (const piece of pieces)
        assert.equal(taken.includes(piece), piece.byteLength >= 5, 'borrowed, not copied')
      const bytes = Buffer.concat(taken)
      const expected = pieces.flatMap((piece) => [piece.byteLength, ...piece])
      assert.equal(bytes.readInt32BE(0), expected.length)
      assert.deepEqual([...bytes.subarray(4)], expected)
      assert.equal(writer.position, 0)
      assert.equal(writer.borrowedSince(0), 0)
    }),
  )
})
