import { Reader } from '@khlong/core/bytes'
import { SeededRandom } from '@khlong/core/testing'

/**
 * A reader that makes values up: a decoder that reads from it gives a random, well-formed message of
 * its version, whatever its schema is. Lengths and counts are small.
 */
export class RandomReader extends Reader {
  readonly #random: SeededRandom

  constructor(seed: number) {
    const random = new SeededRandom(seed)
    super(random.bytes(64))
    this.#random = random
  }

  #below(limit: number): number {
    return Math.floor(this.#random.next() * limit)
  }
  override get remaining(): number {
    return 64
  }
  override get failed(): boolean {
    return false
  }
  // Lengths of null where there is no null, and sizes of tagged fields, are made up too: no problem.
  override fail(): void {}
  override uint8(): number {
    return this.#below(256)
  }
  override int8(): number {
    return this.#below(256) - 128
  }
  override boolean(): boolean {
    return this.#below(2) === 1
  }
  override int16(): number {
    return this.#below(5) - 1
  }
  override uint16(): number {
    return this.#below(65_536)
  }
  override int32(): number {
    return this.#below(5) - 1
  }
  override uint32(): number {
    return this.#below(2 ** 32)
  }
  override int64(): number {
    return this.#below(2 ** 53) - this.#below(2 ** 53)
  }
  override bigint64(): bigint {
    return this.#random.bytes(8).readBigInt64BE()
  }
  override float64(): number {
    return this.#random.next() * 1e9
  }
  override uvarint(): number {
    return this.#below(5)
  }
  override slice(byteCount: number): Buffer {
    return this.#random.bytes(Math.max(0, byteCount))
  }
  override utf8(byteCount: number): string {
    return 'x'.repeat(Math.max(0, byteCount))
  }
  override skip(): void {
    this.position = this.#below(48)
  }
  override count(elements: number): number {
    return Math.max(0, elements)
  }
}
