import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import test from 'node:test'
import { startServer } from './helpers/server.ts'

// The package carries no types; this is what the test calls.
interface ZkStat {
  version: number
  numChildren: number
}
interface ZkEvent {
  name: string
  path: string
}
type Callback<Result> = (error: { name: string } | null, result: Result) => void
interface ZkTransaction {
  create(path: string, data?: Buffer): ZkTransaction
  setData(path: string, data: Buffer, version?: number): ZkTransaction
  remove(path: string): ZkTransaction
  commit(callback: Callback<unknown>): void
}
interface ZkClient {
  connect(): void
  close(): void
  once(event: string, listener: () => void): void
  create(path: string, data: Buffer, mode: number, callback: Callback<string>): void
  getData(path: string, watcher: (event: ZkEvent) => void, callback: Callback<Buffer>): void
  setData(path: string, data: Buffer, version: number, callback: Callback<ZkStat>): void
  getChildren(path: string, callback: Callback<string[]>): void
  exists(path: string, callback: Callback<ZkStat | null>): void
  remove(path: string, callback: Callback<undefined>): void
  transaction(): ZkTransaction
}
const library = createRequire(import.meta.url)('node-zookeeper-client') as {
  createClient(address: string): ZkClient
  CreateMode: { PERSISTENT: number; EPHEMERAL_SEQUENTIAL: number }
}

const promise = <Result>(call: (callback: Callback<Result>) => void): Promise<Result> =>
  new Promise((resolve, reject) => {
    call((error, result) => (error ? reject(error) : resolve(result)))
  })

test('node-zookeeper-client creates, changes, watches, lists and commits transactions', async (t) => {
  const { address } = await startServer(t)
  const client = library.createClient(address)
  t.after(() => client.close())
  const connected = new Promise<void>((resolve) => client.once('connected', resolve))
  client.connect()
  await connected
  const { PERSISTENT, EPHEMERAL_SEQUENTIAL } = library.CreateMode
  assert.equal(
    await promise((done) => client.create('/n', Buffer.from('1'), PERSISTENT, done)),
    '/n',
  )
  const name = await promise<string>((done) =>
    client.create('/n/s-', Buffer.from(''), EPHEMERAL_SEQUENTIAL, done),
  )
  assert.equal(name, '/n/s-0000000000')
  let tell: (event: ZkEvent) => void = () => {}
  const told = new Promise<ZkEvent>((resolve) => {
    tell = resolve
  })
  const data = await promise<Buffer>((done) => client.getData('/n', tell, done))
  assert.equal(data.toString(), '1')
  const stat = await promise<ZkStat>((done) => client.setData('/n', Buffer.from('2'), 0, done))
  assert.deepEqual([stat.version, stat.numChildren], [1, 1])
  assert.equal((await told).name, 'NODE_DATA_CHANGED')
  assert.deepEqual(await promise((done) => client.getChildren('/n', done)), ['s-0000000000'])
  await promise((done) =>
    client
      .transaction()
      .create('/m', Buffer.from('x'))
      .setData('/m', Buffer.from('y'))
      .commit(done),
  )
  await assert.rejects(
    promise((done) => client.transaction().create('/o').remove('/nothing').commit(done)),
    { name: 'NO_NODE' },
  )
  assert.equal(await promise((done) => client.exists('/o', done)), null)
  await promise((done) => client.remove('/m', done))
  await assert.rejects(
    promise((done) => client.remove('/n', done)),
    { name: 'NOT_EMPTY' },
  )
})
