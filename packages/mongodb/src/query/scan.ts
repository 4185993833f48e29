import type { Value } from '../bson/value.ts'
import type { Collection } from '../storage/collection.ts'
import type { Table } from '../storage/engine.ts'
import { RECORD_ID_BYTES } from '../storage/index.ts'
import type { KeyRange } from './bounds.ts'
import type { Plan } from './plan.ts'
import { PAUSE, type Stage } from './stage.ts'

const SLICE_MS = 8
const CLOCK_EVERY = 64

/** What a scan looked at, for `explain` and metrics. */
export interface ScanCounts {
  keysExamined: number
  docsExamined: number
}

interface Entry {
  readonly key: Buffer
  readonly value: Buffer
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
  readonly #table: Table
  readonly #ranges: KeyRange[]
  readonly #isReverse: boolean
  /** Records given already, where an index may lead to one several times. */
  readonly #seen: Set<string> | undefined
  #iterator: Iterator<Entry> | undefined
  #lastKey: Buffer | undefined
  #range = 0
  #isDone = false
  #sliceEnd = 0
  #sinceClock = 0
  /** Set for scans inside a write transaction, which must see one state. */
  readonly #pauses: boolean

  constructor(collection: Collection, plan: Plan, pauses = true) {
    this.#collection = collection
    this.#plan = plan
    this.#pauses = pauses
    const { access } = plan
    this.#isReverse = access.kind !== 'id' && access.isReverse
    if (access.kind === 'index') {
      this.#table = access.index.table
      this.#ranges = [...access.bounds.ranges]
      if (this.#isReverse) this.#ranges.reverse()
      if (access.index.spec.isMultikey) this.#seen = new Set()
      access.index.uses++
    } else {
      this.#table = collection.records
      this.#ranges = [{ start: Buffer.alloc(8), end: Buffer.alloc(9, 255) }]
      if (access.kind === 'id') collection.idIndex.uses++
    }
  }

  next(): Buffer | typeof PAUSE | undefined {
    if (this.#isDone) return undefined
    if (this.#collection.isDropped) {
      this.suspend()
      this.#isDone = true
      return undefined
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
      const doc =
        access.kind === 'index' ? this.#fetch(entry, access.index.spec.isUnique) : entry.value
      if (access.kind === 'collection') this.recordId = entry.key
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

  #fetch(entry: Entry, isUnique: boolean): Buffer | undefined {
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
    const range = this.#ranges[this.#range]
    if (!range) return undefined
    const options = this.#isReverse
      ? { start: this.#lastKey ?? range.end, end: range.start, reverse: true, inclusiveEnd: true }
      : { start: this.#lastKey ?? range.start, end: range.end }
    return this.#table
      .getRange({ ...options, exclusiveStart: this.#lastKey !== undefined || this.#isReverse })
      [Symbol.iterator]()
  }
}
