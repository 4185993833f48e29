import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MongoClient, MongoClientOptions } from 'mongodb'
import { giveBackClient, takeClient } from '../src/connectors/mongodb/shared-client.ts'

test('a client that somebody waits for is not closed by the one who gives it back', async () => {
  const closed: unknown[] = []
  class Client {
    async connect(): Promise<this> {
      return this
    }
    async close(): Promise<void> {
      closed.push(this)
    }
  }
  const Class = Client as unknown as new (uri: string, options: MongoClientOptions) => MongoClient
  const first = await takeClient(Class, 'mongodb://a', {})
  const waiting = takeClient(Class, 'mongodb://a', {})
  await giveBackClient('mongodb://a')
  assert.equal(await waiting, first)
  assert.deepEqual(closed, [])
  await giveBackClient('mongodb://a')
  assert.deepEqual(closed, [first])
})
