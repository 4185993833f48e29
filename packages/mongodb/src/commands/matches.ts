import type { Value } from '../bson/value.ts'
import { MongoError } from '../errors.ts'
import { compileFilter } from '../query/filter.ts'
import { idOfFilter, planQuery } from '../query/plan.ts'
import { ScanStage } from '../query/scan.ts'
import { drainStage } from '../query/stage.ts'
import type { Collection } from '../storage/collection.ts'
import { CHUNK } from './bulk.ts'
import type { ServerState } from './context.ts'

/** A document and the record that holds it. */
export interface Target {
  readonly recordId: Buffer
  readonly doc: Buffer
}

/** What a statement looks for. */
export interface Wanted {
  readonly filter: Value
  readonly hint: Value | undefined
}

/** The first match; inside a transaction only. */
export function findOne(collection: Collection, statement: Wanted): Target | undefined {
  const id = statement.hint ? undefined : idOfFilter(statement.filter)
  if (id) {
    const recordId = collection.findById(id)
    const doc = recordId && collection.document(recordId)
    return doc && { recordId, doc }
  }
  const plan = planQuery(collection, { filter: statement.filter, hint: statement.hint })
  const scan = new ScanStage(collection, plan, false)
  const doc = scan.next()
  scan.suspend()
  return Buffer.isBuffer(doc) ? { recordId: Buffer.from(scan.recordId), doc } : undefined
}

/** Records that match now, found a slice of time at a time. */
async function findAll(
  collection: Collection,
  filter: Value,
  hint: Value | undefined,
  limit: number = Number.POSITIVE_INFINITY,
): Promise<Buffer[]> {
  const scan = new ScanStage(collection, planQuery(collection, { filter, hint }))
  const found: Buffer[] = []
  await drainStage(scan, () => {
    found.push(Buffer.from(scan.recordId))
    return found.length < limit
  })
  return found
}

/**
 * Waits while collections or indexes change in a transaction that is not stored yet: readers would
 * look for tables that are not there for them.
 */
export async function settleCatalog({ catalog, engine }: ServerState): Promise<void> {
  while (catalog.isChanging) await engine.write(() => {})
}

// In smaller collections a scan is over before anybody would notice.
const SLOW_COUNT = 5_000
const ATTEMPTS = 3

/** Whether one match may take long to find, so that it is not looked for inside a transaction. */
export function isSlow(collection: Collection | undefined, { filter, hint }: Wanted): boolean {
  if (!collection || collection.count < SLOW_COUNT || filter.size <= 5) return false
  if (!hint && idOfFilter(filter)) return false
  return planQuery(collection, { filter, hint }).access.kind === 'collection'
}

/** Applies `apply` to the first match, looked for a slice of time at a time; false where there is none. */
export async function withFirstMatch(
  state: ServerState,
  collection: Collection,
  wanted: Wanted,
  apply: (target: Target) => void,
): Promise<boolean> {
  const matches = compileFilter(wanted.filter)
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const [recordId] = await findAll(collection, wanted.filter, wanted.hint, 1)
    if (!recordId) return false
    const isApplied = await state.engine.write(() => {
      if (collection.isDropped) return false
      const doc = collection.document(recordId)
      if (!doc || !matches(doc)) return false
      apply({ recordId, doc })
      return true
    })
    if (isApplied) return true
  }
  // Others changed each match before it was reached: now nobody can.
  return state.engine.write(() => {
    const target = collection.isDropped ? undefined : findOne(collection, wanted)
    if (target) apply(target)
    return target !== undefined
  })
}

/** Applies `apply` to every record that still matches, in chunks of a transaction each. */
export async function forEachMatch(
  state: ServerState,
  collection: Collection,
  statement: Wanted,
  apply: (target: Target) => void,
): Promise<void> {
  const matches = compileFilter(statement.filter)
  const found = await findAll(collection, statement.filter, statement.hint)
  for (let start = 0; start < found.length; start += CHUNK) {
    let failure: unknown
    await state.engine.write(() => {
      try {
        for (const recordId of found.slice(start, start + CHUNK)) {
          if (collection.isDropped) return
          const doc = collection.document(recordId)
          if (doc && matches(doc)) apply({ recordId, doc })
        }
      } catch (error) {
        // What was changed before stays, as in MongoDB.
        if (!(error instanceof MongoError)) throw error
        failure = error
      }
    })
    if (failure !== undefined) throw failure
  }
}

/** Deletes every match of a filter: what the TTL pass needs. */
export async function deleteMatches(
  state: ServerState,
  collection: Collection,
  filter: Value,
): Promise<number> {
  let deleted = 0
  await forEachMatch(state, collection, { filter, hint: undefined }, ({ recordId, doc }) => {
    collection.remove(recordId, doc)
    state.catalog.markDirty(collection)
    deleted++
  })
  return deleted
}
