import { encodeDocument } from '../bson/encode.ts'
import { documentValue } from '../bson/value.ts'
import type { ServerState } from '../commands/context.ts'
import { deleteMatches, settleCatalog } from '../commands/matches.ts'

/** Deletes what the TTL indexes say has expired; text and numbers in the field never do. */
export async function expireDocuments(state: ServerState): Promise<void> {
  await settleCatalog(state)
  for (const collection of [...state.catalog.all()])
    for (const index of collection.indexes) {
      const { expireAfterSeconds } = index.spec
      const [field] = index.fields
      if (expireAfterSeconds === undefined || !field || collection.isDropped) continue
      const until = new Date(state.clock.nowMs() - expireAfterSeconds * 1000)
      const filter = documentValue(encodeDocument({ [field.path]: { $lt: until } }))
      state.counts.ttlDeleted += await deleteMatches(state, collection, filter)
    }
  state.counts.ttlPasses++
}
