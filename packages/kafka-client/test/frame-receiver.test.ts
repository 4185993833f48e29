import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { FrameReceiver } from '../src/frame-receiver.ts'

function framed(contents: readonly Uint8Array[]): Buffer {
  const parts: Buffer[] = []
  for (const content of contents) {
    const length = Buffer.alloc(4)
    length.writeInt32BE(content.byteLength)
    parts.push(length, Buffer.from(content))
  }
  return Buffer.concat(parts)
}

test('frames are whole however the stream is cut, and the buffer of the socket may be used again', () => {
  const contents = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 })
  const cuts = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 20 })
  fc.assert(
    fc.property(contents, cuts, (sent, sizes) => {
      const stream = framed(sent)
      const frames: Buffer[] = []
      const receiver = new FrameReceiver(
        1_000,
        (byteCount) => Buffer.alloc(byteCount),
        (frame) => frames.push(frame),
      )
      const socketBuffer = Buffer.alloc(64)
      for (let at = 0, turn = 0; at < stream.byteLength; turn++) {
        const byteCount = Math.min(sizes[turn % sizes.length]!, stream.byteLength - at)
        stream.copy(socketBuffer, 0, at, at + byteCount)
        receiver.push(socketBuffer, byteCount)
        socketBuffer.fill(0xee)
        at += byteCount
      }
      assert.deepEqual(
        frames.map((frame) => [...frame]),
        sent.map((content) => [...content]),
      )
    }),
  )
})

test('memory is asked for when the length is known, with exactly that', () => {
  const asked: number[] = []
  const receiver = new FrameReceiver(
    100,
    (byteCount) => {
      asked.push(byteCount)
      return Buffer.alloc(byteCount)
    },
    () => {},
  )
  receiver.push(Buffer.from([0, 0, 0]), 3)
  assert.deepEqual(asked, [])
  receiver.push(Buffer.from([7]), 1)
  assert.deepEqual(asked, [7])
})

test('a length below zero or above the limit is refused before memory is taken for it', () => {
  for (const length of [-1, 101, 0x7fff_ffff]) {
    const receiver = new FrameReceiver(
      100,
      () => assert.fail('no memory is taken'),
      () => {},
    )
    const prefix = Buffer.alloc(4)
    prefix.writeInt32BE(length)
    assert.throws(() => receiver.push(prefix, 4), {
      name: 'RangeError',
      message: `a frame of ${length} bytes, from 0 to 100 are allowed`,
    })
  }
})
