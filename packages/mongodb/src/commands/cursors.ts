import { randomBytes } from 'node:crypto'
import { BsonType } from '../bson/types.ts'
import { DocumentWriter, indexName } from '../bson/writer.ts'
import { codeError } from '../errors.ts'
import { DOCUMENT_BYTES_MAX } from '../protocol/message.ts'
import { drainStage, type Stage } from '../query/stage.ts'

/** Documents in the first batch where the client does not say. */
export const FIRST_BATCH_DEFAULT = 101
/** What the results that open cursors hold in memory may take together. */
const HELD_BYTES_MAX = 128 * 1024 * 1024

/** An open cursor: the stage that gives its documents, and when it was asked last. */
export interface Cursor {
  readonly id: bigint
  readonly namespace: string
  readonly stage: Stage
  lastUsedMs: number
  /** A document that did not fit the last batch. */
  held: Buffer | undefined
  isBusy: boolean
  readonly isTimeless: boolean
}

/** The open cursors of a server. One that is idle too long is closed. */
export class CursorTable {
  readonly #cursors = new Map<bigint, Cursor>()
  readonly #limits: { countMax: number; idleMs: number }
  /** How many were closed for idleness. */
  timedOut = 0

  constructor(limits: { countMax: number; idleMs: number }) {
    this.#limits = limits
  }
  get size(): number {
    return this.#cursors.size
  }

  open(namespace: string, stage: Stage, nowMs: number, isTimeless = false): Cursor {
    if (this.#cursors.size >= this.#limits.countMax)
      throw codeError('OperationFailed', `there are ${this.#limits.countMax} open cursors already`)
    const id = randomBytes(8).readBigUInt64LE() >> 1n
    const cursor: Cursor = {
      id,
      namespace,
      stage,
      lastUsedMs: nowMs,
      held: undefined,
      isBusy: false,
      isTimeless,
    }
    this.#cursors.set(id, cursor)
    return cursor
  }
  /** @throws MongoError CursorNotFound */
  get(id: bigint, namespace: string): Cursor {
    const cursor = this.#cursors.get(id)
    if (!cursor) throw codeError('CursorNotFound', `cursor id ${id} not found`)
    if (cursor.namespace !== namespace)
      throw codeError(
        'Unauthorized',
        `Requested getMore on namespace '${namespace}', but cursor belongs to a different namespace ${cursor.namespace}`,
      )
    if (cursor.isBusy) throw codeError('OperationFailed', `cursor id ${id} is in use`)
    return cursor
  }
  /**
   * Closes a cursor whose results, with those that others hold in memory, are too many.
   *
   * @throws MongoError ExceededMemoryLimit
   */
  checkMemory(cursor: Cursor): void {
    if (cursor.stage.heldBytes() === 0) return
    let bytes = 0
    for (const { stage } of this.#cursors.values()) bytes += stage.heldBytes()
    if (bytes <= HELD_BYTES_MAX) return
    this.close(cursor.id)
    throw codeError(
      'ExceededMemoryLimit',
      `open cursors hold ${bytes} bytes of sorted and grouped results, more than ${HELD_BYTES_MAX}; read them to their end or close them`,
    )
  }
  close(id: bigint): boolean {
    return this.#cursors.delete(id)
  }
  /** Closes cursors that nobody asked for a while. */
  sweep(nowMs: number): void {
    for (const cursor of this.#cursors.values())
      if (!cursor.isBusy && !cursor.isTimeless && nowMs - cursor.lastUsedMs > this.#limits.idleMs) {
        this.#cursors.delete(cursor.id)
        this.timedOut++
      }
  }
}

/** How much of a cursor is asked for. */
export interface BatchRequest {
  /** Documents in the batch; undefined for as many as fit. */
  readonly count: number | undefined
  readonly isSingle?: boolean
  readonly checkTime?: () => void
}

/**
 * Takes a batch from a cursor and gives the finished reply; the cursor is closed where it has ended.
 * A batch holds at most 16 MiB, and at least one document.
 */
export async function cursorReply(
  table: CursorTable,
  cursor: Cursor,
  request: BatchRequest & { readonly field: 'firstBatch' | 'nextBatch' },
): Promise<{ reply: Buffer; count: number }> {
  const writer = new DocumentWriter(4_096)
  writer.begin().beginDocument('cursor').beginArray(request.field)
  let count = 0
  let isEnded = true
  const take = (doc: Buffer): boolean => {
    if (count > 0 && writer.size + doc.length > DOCUMENT_BYTES_MAX) {
      cursor.held = doc
      isEnded = false
      return false
    }
    writer.raw(indexName(count++), BsonType.object, doc, 0, doc.length)
    if (count !== request.count) return true
    isEnded = false
    return false
  }
  cursor.isBusy = true
  try {
    const held = cursor.held
    cursor.held = undefined
    if (request.count === 0) isEnded = false
    else if (!held || take(held)) await drainStage(cursor.stage, take, request.checkTime)
    // A batch that was filled exactly may have been the last: a limit knows without looking on.
    if (!isEnded && isReached(cursor.stage)) isEnded = true
  } catch (error) {
    table.close(cursor.id)
    throw error
  } finally {
    cursor.isBusy = false
  }
  if (isEnded || request.isSingle) table.close(cursor.id)
  else table.checkMemory(cursor)
  writer.end()
  writer.long('id', isEnded || request.isSingle ? 0n : cursor.id)
  writer.string('ns', cursor.namespace)
  writer.end().double('ok', 1).end()
  return { reply: writer.take(), count }
}

function isReached(stage: Stage): boolean {
  return 'isReached' in stage && stage.isReached === true
}
