import { open, readFile, rename, stat } from 'node:fs/promises'
import { crc32c, Reader, Writer } from '@khlong/core/bytes'
import { PrometheusError } from '../errors.ts'
import { Labels, type Matcher } from '../labels.ts'
import { fileMagic, isMagic } from './file-magic.ts'
import { LabelIndex } from './label-index.ts'
import { joinSamples, type SeriesSamples } from './samples.ts'
import { decodeXorChunk, XorChunk } from './xor-chunk.ts'

// An immutable file of series over a span of time: see docs/formats/prometheus.md.
//
//   "KHPB" version(u8) | chunk bytes… | index | indexLength(u32) crc32c(index)(u32) "KHPB"
//   index: minMs(int64) maxMs(int64) series(uvarint) {
//            pairs(uvarint) text… chunks(uvarint) { position(uvarint) length(uvarint) count(uvarint) minMs(int64) maxMs(int64) }… }…

const magic = fileMagic('KHPB', 1)
const footerBytes = 8 + magic.length
const samplesPerChunk = 120

interface ChunkPlace {
  readonly position: number
  readonly length: number
  readonly count: number
  readonly minMs: number
  readonly maxMs: number
}

interface BlockSeries {
  readonly labels: Labels
  readonly chunks: readonly ChunkPlace[]
}

/** A block that was opened: its index is in memory, its samples are read when they are asked for. */
export class Block {
  readonly file: string
  readonly byteLength: number
  readonly minMs: number
  readonly maxMs: number
  readonly #index: LabelIndex<BlockSeries>

  private constructor(file: string, byteLength: number, index: Reader) {
    this.file = file
    this.byteLength = byteLength
    this.minMs = index.int64()
    this.maxMs = index.int64()
    this.#index = new LabelIndex()
    for (let count = index.count(index.uvarint(), 2); count > 0; count--) {
      const pairs: string[] = []
      for (let left = index.count(index.uvarint()); left > 0; left--)
        pairs.push(index.utf8(index.uvarint()))
      const chunks: ChunkPlace[] = []
      for (let left = index.count(index.uvarint(), 19); left > 0; left--)
        chunks.push({
          position: index.uvarint(),
          length: index.uvarint(),
          count: index.uvarint(),
          minMs: index.int64(),
          maxMs: index.int64(),
        })
      this.#index.add({ labels: Labels.fromPairs(pairs), chunks })
    }
    index.finish()
  }

  /** @throws PrometheusError `PROMETHEUS_STORAGE_DAMAGED` */
  static async open(file: string): Promise<Block> {
    const { size } = await stat(file)
    const handle = await open(file, 'r')
    try {
      const footer = Buffer.alloc(footerBytes)
      await handle.read(footer, 0, footerBytes, Math.max(0, size - footerBytes))
      const indexLength = footer.readUInt32BE(0)
      if (
        !isMagic(file, footer.subarray(8), magic) ||
        indexLength > size - footerBytes - magic.length
      )
        throw damaged(file, 'no whole block of this version')
      const index = Buffer.alloc(indexLength)
      await handle.read(index, 0, indexLength, size - footerBytes - indexLength)
      if (crc32c(index) !== footer.readUInt32BE(4)) throw damaged(file, 'its index is damaged')
      return new Block(file, size, new Reader(index))
    } finally {
      await handle.close()
    }
  }

  /** Writes a block so that it is there whole or not at all. */
  static async write(file: string, series: Iterable<SeriesSamples>): Promise<void> {
    const writer = new Writer(1 << 16)
    writer.raw(magic)
    const index = new Writer(1 << 12)
    let minMs = Number.POSITIVE_INFINITY
    let maxMs = Number.NEGATIVE_INFINITY
    let count = 0
    const entries = new Writer(1 << 12)
    for (const { labels, samples } of series) {
      const { timesMs, values, stale } = samples
      if (timesMs.length === 0) continue
      count++
      minMs = Math.min(minMs, timesMs[0]!)
      maxMs = Math.max(maxMs, timesMs.at(-1)!)
      entries.uvarint(labels.pairs.length)
      for (const text of labels.pairs) {
        entries.uvarint(Buffer.byteLength(text))
        entries.utf8(text)
      }
      entries.uvarint(Math.ceil(timesMs.length / samplesPerChunk))
      for (let from = 0; from < timesMs.length; from += samplesPerChunk) {
        const chunk = new XorChunk()
        for (let at = from; at < Math.min(from + samplesPerChunk, timesMs.length); at++)
          chunk.append(timesMs[at]!, values[at]!, stale[at] === 1)
        const bytes = chunk.bytes()
        entries.uvarint(writer.position).uvarint(bytes.length).uvarint(chunk.count)
        entries.int64(chunk.minMs).int64(chunk.maxMs)
        writer.raw(bytes)
      }
    }
    index.int64(minMs).int64(maxMs).uvarint(count).raw(entries.bytes())
    writer.raw(index.bytes()).uint32(index.position).uint32(crc32c(index.bytes())).raw(magic)
    const handle = await open(`${file}.new`, 'w')
    try {
      await handle.writeFile(writer.bytes())
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(`${file}.new`, file)
  }

  labels(matchers: readonly Matcher[]): Labels[] {
    return this.#index.select(matchers).map(({ labels }) => labels)
  }

  async select(
    matchers: readonly Matcher[],
    minMs: number,
    maxMs: number,
  ): Promise<SeriesSamples[]> {
    const selected = this.#index.select(matchers)
    if (selected.length === 0) return []
    const bytes = await readFile(this.file)
    return selected.map(({ labels, chunks }) => ({
      labels,
      samples: joinSamples(
        chunks
          .filter((chunk) => chunk.maxMs >= minMs && chunk.minMs <= maxMs)
          .map(({ position, length, count }) =>
            decodeXorChunk(bytes.subarray(position, position + length), count),
          ),
        minMs,
        maxMs,
      ),
    }))
  }
}

function damaged(file: string, what: string): PrometheusError {
  return new PrometheusError('PROMETHEUS_STORAGE_DAMAGED', `${file}: ${what}`, { fields: { file } })
}
