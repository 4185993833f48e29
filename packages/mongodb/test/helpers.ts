import { temporaryFolder } from '@khlong/core/testing'
import { type Db, MongoClient } from 'mongodb'
import { type MongodbOptions, MongodbServer } from '../src/index.ts'

interface TestContext {
  after(cleanUp: () => Promise<void>): void
}

/** A running server with a client of the official driver, both closed with the test. */
export async function startServer(
  t: TestContext,
  options: MongodbOptions = {},
): Promise<{ server: MongodbServer; client: MongoClient; db: Db; url: string; folder: string }> {
  const folder = options.data ?? (await temporaryFolder(t))
  const server = new MongodbServer({ listen: 0, data: folder, ...options })
  await server.start()
  const url = `mongodb://${server.addresses.mongodb}`
  const client = new MongoClient(url, { serverSelectionTimeoutMS: 2_000 })
  t.after(async () => {
    await client.close()
    await server.stop()
  })
  return { server, client, db: client.db('test'), url, folder }
}
