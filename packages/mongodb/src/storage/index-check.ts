import type { Collection } from './collection.ts'

/** The names of the indexes that lack an entry of this document. */
export function recordKeysMissing(collection: Collection, recordId: Buffer, doc: Buffer): string[] {
  const missing: string[] = []
  for (const index of collection.indexes) {
    const { spec, table } = index
    for (const key of index.keysOf(doc)?.keys ?? []) {
      const isThere = spec.isUnique
        ? table.get(key)?.equals(recordId) === true
        : table.doesExist(Buffer.concat([key, recordId]))
      if (!isThere) missing.push(spec.name)
    }
  }
  return missing
}
