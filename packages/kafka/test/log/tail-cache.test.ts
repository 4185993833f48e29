import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BufferPool } from '@khlong/core/bytes'
import { SeededRandom } from '@khlong/core/testing'
import { HeldMemory } from '../../src/log/held-memory.ts'
import { findInTail, lendFromTail, Tail, TailCache } from '../../src/log/tail-cache.ts'

// Given-back memory is overwritten in tests, so bytes that are still right were held.

for (const seed of [1, 2, 3])
  test(`batches are what they were while somebody holds them, and their memory is used again, seed ${seed}`, () => {
    const random = new SeededRandom(seed)
    const below = (limit: number): number => Math.floor(random.next() * limit)
    let takenBytes = 0
    class CountingPool extends BufferPool {
      override take(byteCount: number): Buffer {
        if (byteCount > this.freeBytes) takenBytes += byteCount
        return super.take(byteCount)
      }
    }
    const pool = new CountingPool({
      keptBytesMax: 1 << 21,
      stepBytes: 16_384,
      largeStepBytes: 65_536,
      pooledBytesMin: 4_096,
    })
    const cache = new TailCache(300_000, pool)
    const tails = [new Tail(), new Tail(), new Tail()]
    const written = tails.map(() => [] as Buffer[])
    const readers: { held: HeldMemory; parts: Buffer[]; expected: Buffer }[] = []
    let writtenBytes = 0
    for (let step = 0; step < 4_000; step++) {
      const which = below(tails.length)
      const tail = tails[which]!
      const all = written[which]!
      if (random.next() < 0.6) {
        const byteCount = random.next() < 0.05 ? below(200_000) : below(20_000)
        const batch = Buffer.alloc(byteCount, below(250) + 1)
        cache.add(tail, all.length, all.length, batch)
        all.push(Buffer.from(batch))
        writtenBytes += byteCount
        // Whose memory it was may use it for something else.
        batch.fill(0xdb)
      } else if (random.next() < 0.02) cache.clear(tail)
      else {
        const offset = Math.max(0, all.length - below(12))
        const limit = all.length - below(3)
        const byteCount = below(60_000)
        const found = findInTail(tail, offset, limit, byteCount)
        if (!found) continue
        const held = new HeldMemory()
        const parts = lendFromTail(found, pool, held)
        const expected = Buffer.concat(all.slice(offset, offset + found.length))
        assert.equal(held.byteCount, expected.byteLength)
        readers.push({ held, parts, expected })
        if (readers.length < 20) continue
        const [reader] = readers.splice(below(readers.length), 1)
        assert.ok(Buffer.concat(reader!.parts).equals(reader!.expected))
        reader!.held.release()
      }
      assert.ok(cache.byteCount <= 300_000)
    }
    assert.ok(writtenBytes > 10_000_000)
    assert.ok(takenBytes < writtenBytes / 4, `${takenBytes} new bytes for ${writtenBytes}`)
  })
