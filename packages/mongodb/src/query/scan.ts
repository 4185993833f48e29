import type { Value } from '../bson/value.ts'
import { codeError } from '../errors.ts'
import type { Collection } from '../storage/collection.ts'
import type { Table } from '../storage/engine.ts'
import { type Index, RECORD_ID_BYTES } from '../storage/index.ts'
import type { KeyRange } from './bounds.ts'
import type { Access, Plan } from './plan.ts'
import { PAUSE, type Stage } from './stage.ts'

const SLICE_MS = 8
const CLOCK_EVERY = 64
// What it costs to remember a record that was given.
const SEEN_BYTES = 64

/** What a scan looked at, for `explain` and metrics. */
export interface ScanCounts {
  keysExamined: number
  docsExamined: number
}

interface Entry {
  readonly key: Buffer
  readonly value: Buffer
}

/** One table to read: the records, or an index that leads to them. */
interface Leg {
  readonly table: Table
  readonly index: Index | undefined
  /** Whether entries are the documents themselves. */
  readonly isRecords: boolean
  readonly isUnique: boolean
  readonly isReverse: boolean
  readonly ranges: readonly KeyRange[]
}

function legsOf(collection: Collection, access: Access): Leg[] {
  switch (access.kind) {
    case 'id':
      collection.idIndex.uses++
      return []
    case 'collection':
      return [
        {
          table: collection.records,
          index: undefined,
          isRecords: true,
          isUnique: true,
          isReverse: access.isReverse,
          ranges: [{ start: Buffer.alloc(8), end: Buffer.alloc(9, 255) }],
        },
      ]
    case 'index': {
      const { index, bounds, isReverse } = access
      index.uses++
      return [
        {
          table: index.table,
          index,
          isRecords: false,
          isUnique: index.spec.isUnique,
          isReverse,
          ranges: isReverse ? bounds.ranges.toReversed() : bounds.ranges,
        },
      ]
    }
    case 'or':
      return access.branches.flatMap((branch) => legsOf(collection, branch))
  }
}

/**
 * Gives the documents of a collection that match, by the access that the plan chose. It pauses after
 * some milliseconds and goes on from the key it stopped at; without pauses it runs to its end.
 */
export class ScanStage implements Stage {
  readonly counts: ScanCounts = { keysExamined: 0, docsExamined: 0 }
  /** The record of the document that was given last. */
  recordId: Buffer = Buffer.alloc(0)
  readonly #collection: Collection
  readonly #plan: Plan
  readonly #legs: readonly Leg[]
  /** Records given already, where several entries may lead to one. */
  readonly #seen: Set<string> | undefined
  #iterator: Iterator<Entry> | undefined
  #lastKey: Buffer | undefined
  #leg = 0
  #range = 0
  #isDone = false
  #sliceEnd = 0
  #sinceClock = 0
  /** Not set for scans inside a write transaction, which must see one state. */
  readonly #pauses: boolean

  constructor(collection: Collection, plan: Plan, pauses = true) {
    this.#collection = collection
    this.#plan = plan
    this.#pauses = pauses
    const { access } = plan
    this.#legs = legsOf(collection, access)
    if (access.kind === 'or' || (access.kind === 'index' && access.index.spec.isMultikey))
      this.#seen = new Set()
  }

  /** @throws MongoError QueryPlanKilled where the collection was dropped meanwhile */
  next(): Buffer | typeof PAUSE | undefined {
    if (this.#isDone) return undefined
    if (this.#collection.isDropped) {
      this.suspend()
      throw codeError('QueryPlanKilled', `collection dropped: ${this.#collection.namespace}`)
    }
    const { access } = this.#plan
    if (access.kind === 'id') return this.#byId(access.id)
    for (;;) {
      if (this.#pauses && ++this.#sinceClock >= CLOCK_EVERY && this.#isSliceOver()) return PAUSE
      const entry = this.#nextEntry()
      if (!entry) {
        this.#isDone = true
        return undefined
      }
      const doc = this.#documentOf(entry)
      if (!doc) continue
      this.counts.docsExamined++
      if (this.#plan.matches(doc)) {
        this.#collection.traffic.read++
        return doc
      }
    }
  }

  suspend(): void {
    this.#iterator?.return?.()
    this.#iterator = undefined
    this.#sliceEnd = 0
  }

  heldBytes(): number {
    return (this.#seen?.size ?? 0) * SEEN_BYTES
  }

  #isSliceOver(): boolean {
    this.#sinceClock = 0
    const now = performance.now()
    if (this.#sliceEnd === 0) this.#sliceEnd = now + SLICE_MS
    if (now < this.#sliceEnd) return false
    this.suspend()
    return true
  }

  #byId(id: Value): Buffer | undefined {
    this.#isDone = true
    const recordId = this.#collection.findById(id)
    if (!recordId) return undefined
    this.counts.keysExamined++
    const doc = this.#collection.document(recordId)
    if (!doc) return undefined
    this.counts.docsExamined++
    this.recordId = recordId
    if (!this.#plan.matches(doc)) return undefined
    this.#collection.traffic.read++
    return doc
  }

  #documentOf(entry: Entry): Buffer | undefined {
    const { isRecords, isUnique } = this.#legs[this.#leg]!
    if (isRecords) {
      this.recordId = entry.key
      return entry.value
    }
    this.counts.keysExamined++
    const recordId = isUnique ? entry.value : entry.key.subarray(entry.key.length - RECORD_ID_BYTES)
    if (this.#seen) {
      const name = recordId.toString('latin1', 0, RECORD_ID_BYTES)
      if (this.#seen.has(name)) return undefined
      this.#seen.add(name)
    }
    this.recordId = recordId
    return this.#collection.document(recordId)
  }

  #nextEntry(): Entry | undefined {
    for (;;) {
      this.#iterator ??= this.#open()
      if (!this.#iterator) return undefined
      const step = this.#iterator.next()
      if (!step.done) {
        this.#lastKey = step.value.key
        return step.value
      }
      this.#iterator = undefined
      this.#lastKey = undefined
      this.#range++
    }
  }

  #open(): Iterator<Entry> | undefined {
    while (this.#leg < this.#legs.length) {
      const { table, index, ranges, isReverse } = this.#legs[this.#leg]!
      if (index?.isDropped) throw codeError('QueryPlanKilled', `index dropped: ${index.spec.name}`)
      const range = ranges[this.#range]
      if (!range) {
        this.#leg++
        this.#range = 0
        continue
      }
      const options = isReverse
        ? { start: this.#lastKey ?? range.end, end: range.start, reverse: true, inclusiveEnd: true }
        : { start: this.#lastKey ?? range.start, end: range.end }
      return table
        .getRange({ ...options, exclusiveStart: this.#lastKey !== undefined || isReverse })
        [Symbol.iterator]()
    }
    return undefined
  }
}
