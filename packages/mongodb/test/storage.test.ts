import assert from 'node:assert/strict'
import { test } from 'node:test'
import { temporaryFolder } from '@khlong/core/testing'
import { encodeDocument } from '../src/bson/encode.ts'
import { Catalog } from '../src/storage/catalog.ts'
import { StorageEngine } from '../src/storage/engine.ts'

async function openStore(folder: string): Promise<{ engine: StorageEngine; catalog: Catalog }> {
  let catalog: Catalog | undefined
  const engine = await StorageEngine.open(folder, {
    beforeCommit: () => catalog?.saveSizes() ?? (() => {}),
    onAbort: () => catalog?.reload(),
    onFailure: (error) => {
      throw error
    },
  })
  catalog = new Catalog(engine)
  return { engine, catalog }
}

test('a job that breaks takes back its transaction, in memory and on the disk', async (t) => {
  const { engine, catalog } = await openStore(await temporaryFolder(t))
  t.after(() => engine.close())
  const insert = (namespace: string, _id: number): void => {
    const collection = catalog.obtain(namespace)
    collection.insert(encodeDocument({ _id }))
    catalog.markDirty(collection)
  }
  await engine.write(() => insert('a.kept', 1))
  const broken = engine.write(() => {
    insert('a.kept', 2)
    insert('a.lost', 1)
    throw new Error('broken')
  })
  await assert.rejects(broken, /broken/)
  assert.equal(catalog.get('a.kept')?.count, 1)
  assert.equal(catalog.get('a.lost'), undefined)
  // The tables that it opened are opened anew.
  await engine.write(() => {
    insert('a.kept', 2)
    insert('a.lost', 1)
    insert('a.lost', 2)
  })
  assert.equal(catalog.get('a.kept')?.count, 2)
  assert.equal(catalog.get('a.lost')?.count, 2)
  assert.equal([...catalog.get('a.lost')!.records.getRange({})].length, 2)
})

test('jobs that wait together share a transaction', async (t) => {
  const { engine } = await openStore(await temporaryFolder(t))
  t.after(() => engine.close())
  await Promise.all(Array.from({ length: 50 }, () => engine.write(() => {})))
  assert.equal(engine.counts.jobs, 50)
  assert.ok(engine.counts.transactions < 10)
})

test('what a building of an index that was cut off left is not in the next one', async (t) => {
  const folder = await temporaryFolder(t)
  const first = await openStore(folder)
  const spec = {
    name: 'n_1',
    keyPattern: encodeDocument({ n: 1 }),
    isUnique: false,
    isSparse: false,
    partialFilter: undefined,
    expireAfterSeconds: undefined,
  }
  await first.engine.write(() => {
    const collection = first.catalog.obtain('a.b')
    collection.insert(encodeDocument({ _id: 1, n: 1 }))
    first.catalog.markDirty(collection)
    collection.fill(first.catalog.beginIndex(collection, spec), undefined, 10)
  })
  await first.engine.close()
  const second = await openStore(folder)
  t.after(() => second.engine.close())
  const collection = second.catalog.get('a.b')!
  assert.equal(collection.indexes.length, 1)
  await second.engine.write(() => {
    const index = second.catalog.beginIndex(collection, { ...spec, name: 'm_1' })
    assert.equal([...index.table.getKeys({})].length, 0)
    second.catalog.abortIndex(collection, index)
  })
})
