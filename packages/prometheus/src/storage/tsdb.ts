import { readdirSync } from 'node:fs'
import { mkdir, readdir, rm } from 'node:fs/promises'
import path from 'node:path'
import type { Clock, CutFolder, Logger } from '@khlong/core'
import type { Labels, Matcher } from '../labels.ts'
import { Block } from './block.ts'
import { Head, type HeadSeries } from './head.ts'
import { joinSamples, type NewSample, type SeriesSamples } from './samples.ts'
import { Wal, type WalSample } from './wal.ts'

export interface TsdbOptions {
  folder: string
  /** Blocks that end before this long ago are dropped. */
  retentionMs: number
  /** Oldest blocks are dropped beyond this; 0 means no limit. */
  retentionBytes: number
  /** The span of a block. */
  blockMs: number
  logger: Logger
  clock: Clock
}

const blockName = /^block-\d+\.khpb$/

/** What became of samples that were appended. */
export interface AppendResult {
  readonly appended: number
  /** Samples not later than the newest of their series. */
  readonly outOfOrder: number
  readonly newSeries: number
}

/**
 * Series over time: the newest hours in memory behind a write-ahead log, older ones in immutable
 * blocks. One owner appends; readers see what was appended before they asked.
 */
export class Tsdb {
  readonly #options: TsdbOptions
  readonly #head = new Head()
  readonly #wal: Wal
  #blocks: Block[] = []
  #compacting: Promise<void> | undefined
  /** Series that the log could not take when they came, as on a full disk. */
  #unlogged: HeadSeries[] = []

  constructor(options: TsdbOptions) {
    this.#options = options
    this.#wal = new Wal(path.join(options.folder, 'wal'), options.logger)
  }

  get head(): Head {
    return this.#head
  }
  get blocks(): readonly Block[] {
    return this.#blocks
  }
  /** The earliest time that is stored. */
  get minMs(): number {
    return Math.min(this.#head.minMs, ...this.#blocks.map(({ minMs }) => minMs))
  }

  async open(): Promise<void> {
    const { folder, logger } = this.#options
    await mkdir(path.join(folder, 'wal'), { recursive: true })
    for (const name of await readdir(folder)) {
      const file = path.join(folder, name)
      if (name.endsWith('.new')) await rm(file)
      else if (blockName.test(name)) this.#blocks.push(await Block.open(file))
    }
    this.#blocks.sort((a, b) => a.minMs - b.minMs)
    await this.#wal.replay(this.#head)
    // A crash between a block and the log's fresh start left both with the same samples.
    const newest = this.#blocks.at(-1)
    if (newest && this.#head.seriesCount > 0) this.#head.truncate(newest.maxMs + 1)
    logger.info(
      { series: this.#head.seriesCount, blocks: this.#blocks.length },
      'samples are loaded',
    )
  }

  async close(): Promise<void> {
    await this.#compacting
    await this.#wal.close()
  }

  /** Stores samples; resolves when killing the process cannot take them back. */
  async append(samples: readonly NewSample[]): Promise<AppendResult> {
    const newSeries: HeadSeries[] = []
    const written: WalSample[] = []
    let outOfOrder = 0
    for (const { labels, timeMs, value, stale = false } of samples) {
      let series = this.#head.find(labels)
      if (!series) {
        series = this.#head.add(labels)
        newSeries.push(series)
      }
      if (timeMs <= series.lastMs) {
        // The same sample again is no fault.
        if (timeMs < series.lastMs || !Object.is(value, series.lastValue)) outOfOrder++
        continue
      }
      this.#head.append(series, timeMs, value, stale)
      written.push({ series, timeMs, value, stale })
    }
    const toLog = [...this.#unlogged.splice(0), ...newSeries]
    try {
      await this.#wal.append(toLog, written)
    } catch (error) {
      this.#unlogged.push(...toLog)
      throw error
    }
    return { appended: written.length, outOfOrder, newSeries: newSeries.length }
  }

  /** Keeps what is stored now. */
  cut(cut: CutFolder): void {
    this.#wal.cut(cut, 'wal')
    for (const name of readdirSync(this.#options.folder))
      if (blockName.test(name)) cut.keepIfThere(name)
  }

  /** Makes what was appended survive power loss. */
  flush(): Promise<void> {
    return this.#wal.flush()
  }

  /** Every series that meets the matchers, with its samples within `[minMs, maxMs]`. */
  async select(
    matchers: readonly Matcher[],
    minMs: number,
    maxMs: number,
  ): Promise<SeriesSamples[]> {
    const inHead = this.#head.select(matchers, minMs, maxMs)
    const blocks = this.#blocks.filter((block) => block.maxMs >= minMs && block.minMs <= maxMs)
    if (blocks.length === 0) return inHead
    const byKey = new Map<string, SeriesSamples[]>()
    const collect = (found: readonly SeriesSamples[]): void => {
      for (const series of found) {
        const parts = byKey.get(series.labels.key)
        if (parts) parts.push(series)
        else byKey.set(series.labels.key, [series])
      }
    }
    for (const block of blocks) collect(await block.select(matchers, minMs, maxMs))
    collect(inHead)
    const joined: SeriesSamples[] = []
    for (const parts of byKey.values()) {
      const samples = joinSamples(
        parts.map((part) => part.samples),
        minMs,
        maxMs,
      )
      if (samples.timesMs.length > 0) joined.push({ labels: parts[0]!.labels, samples })
    }
    return joined
  }

  /** Labels of every series that meets the matchers and may have samples within `[minMs, maxMs]`. */
  labels(matchers: readonly Matcher[], minMs: number, maxMs: number): Labels[] {
    const byKey = new Map<string, Labels>()
    for (const block of this.#blocks)
      if (block.maxMs >= minMs && block.minMs <= maxMs)
        for (const labels of block.labels(matchers)) byKey.set(labels.key, labels)
    for (const series of this.#head.series(matchers))
      if (series.lastMs >= minMs && series.minMs <= maxMs)
        byKey.set(series.labels.key, series.labels)
    return [...byKey.values()]
  }

  /** Moves what is old enough from the head into a block and drops blocks past retention. */
  maintain(): Promise<void> {
    this.#compacting ??= this.#maintain().finally(() => {
      this.#compacting = undefined
    })
    return this.#compacting
  }

  async #maintain(): Promise<void> {
    const { folder, blockMs, logger } = this.#options
    // Half a span stays in the head, so that late samples still find their place there.
    while (this.#head.maxMs - this.#head.minMs > blockMs * 1.5) {
      const fromMs = Math.floor(this.#head.minMs / blockMs) * blockMs
      const toMs = fromMs + blockMs - 1
      const file = path.join(folder, `block-${fromMs}.khpb`)
      const series = [...this.#head.select([], fromMs, toMs)]
      if (series.length > 0) {
        await Block.write(file, series)
        this.#blocks.push(await Block.open(file))
        logger.info({ file, series: series.length }, 'a block was written')
      }
      this.#head.truncate(toMs + 1)
      if (series.length === 0) break
      await this.#wal.checkpoint(this.#head)
    }
    await this.#dropOldBlocks()
  }

  async #dropOldBlocks(): Promise<void> {
    const { retentionMs, retentionBytes, clock } = this.#options
    const keep = this.#blocks.filter(({ maxMs }) => maxMs >= clock.nowMs() - retentionMs)
    let bytes = keep.reduce((sum, block) => sum + block.byteLength, 0)
    while (retentionBytes > 0 && bytes > retentionBytes && keep.length > 0)
      bytes -= keep.shift()!.byteLength
    const dropped = this.#blocks.filter((block) => !keep.includes(block))
    this.#blocks = keep
    for (const { file } of dropped) await rm(file, { force: true })
  }
}
