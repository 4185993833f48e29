import { silentLogger } from '@khlong/core'
import { FakeClock } from '@khlong/core/testing'
import { Journal } from '../../src/journal/journal.ts'
import { Recovery } from '../../src/journal/recovery.ts'
import { rewriteSegment } from '../../src/journal/rewrite-segment.ts'
import { SegmentLog } from '../../src/journal/segment-log.ts'
import { Bench } from '../helpers.ts'
import type { FakeFolder } from './fake-folder.ts'

/** A state machine with its journal in a folder that can lose power. */
export class Journaled extends Bench {
  readonly journal: Journal
  readonly log: SegmentLog
  readonly folder: FakeFolder
  failure: unknown

  private constructor(journal: Journal, log: SegmentLog, folder: FakeFolder, clock: FakeClock) {
    super({}, journal, clock)
    this.journal = journal
    this.log = log
    this.folder = folder
  }

  static async open(folder: FakeFolder, segmentBytes = 4_096): Promise<Journaled> {
    const journal: Journal = new Journal(
      (message) => bench.state.retained.get(message.topic) === message,
    )
    const recovery = new Recovery()
    const clock = new FakeClock()
    const log = await SegmentLog.open(
      {
        folder,
        segmentBytes,
        clock,
        logger: silentLogger,
        beforeCommit: () => journal.writeProgress(),
        onDurable: (durable) => bench.state.delivery.onDurable(durable),
        rewrite: (segment) => rewriteSegment(segment, bench.state, journal),
        onFailure: (error) => {
          bench.failure = error
        },
      },
      (type, body, segment, bytes) => recovery.apply(type, body, segment, bytes),
    )
    journal.attach(log)
    const bench: Journaled = new Journaled(journal, log, folder, clock)
    recovery.finish(bench.state, bench.nowMs)
    return bench
  }

  /** Comes back when the journal is durable up to `position`; false where it never will be. */
  async durable(position: number): Promise<boolean> {
    this.log.demand(position)
    while (this.log.durable < position && this.failure === undefined)
      await new Promise((resolve) => setImmediate(resolve))
    return this.log.durable >= position
  }
}
