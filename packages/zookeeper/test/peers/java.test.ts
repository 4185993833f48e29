import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import path from 'node:path'
import test from 'node:test'
import { promisify } from 'node:util'
import { eventually, temporaryFolder } from '@khlong/core/testing'
import { peer, reference } from '../../../../tools/peers.ts'
import { freePort } from '../../../../tools/real-engines.ts'
import { startServer } from '../helpers/server.ts'
import { WireClient } from '../helpers/wire-client.ts'

const run = promisify(execFile)

test("ZooKeeper's own shell creates, lists, reads, changes and deletes", async (t) => {
  const { address } = await startServer(t)
  const { stdout: classPath } = await run('bash', [reference('kafka.sh'), 'classpath', 'zookeeper'])
  const shell = async (...command: string[]): Promise<string> => {
    const main = ['org.apache.zookeeper.ZooKeeperMain', '-server', address, ...command]
    const { stdout } = await run(peer('java'), ['-Xmx128M', '-cp', classPath.trim(), ...main], {
      timeout: 30_000,
    }).catch((error: { stdout: string; stderr: string }) => ({
      stdout: error.stdout + error.stderr,
    }))
    return stdout
  }
  await shell('create', '/shell', 'hello')
  assert.match(
    await shell('get', '-s', '/shell'),
    /hello\ncZxid = 0x2\n[\s\S]*dataVersion = 0\n[\s\S]*dataLength = 5\n/,
  )
  await shell('set', '/shell', 'changed')
  assert.match(await shell('ls', '-R', '/'), /\/shell\n\/zookeeper\n/)
  assert.match(await shell('getAcl', '/shell'), /'world,'anyone\n: cdrwa/)
  assert.match(await shell('stat', '/nothing'), /does not exist/)
  await shell('delete', '/shell')
  const client = await WireClient.connect(address)
  assert.equal(await client.stat('/shell'), undefined)
  await client.close()
})

test('a Kafka 3.9 broker boots on it, serves a topic, and registers again after a restart', async (t) => {
  const { address } = await startServer(t, { maxClientCnxns: 0 })
  const folder = path.join(await temporaryFolder(t), 'kafka')
  const port = await freePort()
  const env = {
    ...process.env,
    ZOOKEEPER_CONNECT: address,
    KAFKA_HEAP: '-Xmx384M',
    RUN_HEAP: '-Xmx128M',
  }
  const kafka = (...command: string[]): Promise<{ stdout: string }> =>
    run('bash', [reference('kafka.sh'), ...command], { env, timeout: 90_000 })
  // kcat ends by itself, but its input must be closed first.
  const produce = async (text: string): Promise<void> => {
    const producing = run(peer('kcat'), ['-P', '-b', `127.0.0.1:${port}`, '-t', 'frames'])
    producing.child.stdin?.end(text)
    await producing
  }
  // Before the folder is removed, and so not as a hook, which would run after that.
  await using _broker = { [Symbol.asyncDispose]: () => kafka('stop', folder).then(() => {}) }
  await kafka('start', 'zookeeper', folder, String(port))
  const client = await WireClient.connect(address)
  // It answers its clients a moment before it registers.
  const registered = (): Promise<void> =>
    eventually(async () => assert.deepEqual(await client.children('/brokers/ids'), ['1']))
  await registered()
  const first = await client.stat('/brokers/ids/1')
  const topics = 'org.apache.kafka.tools.TopicCommand'
  const bootstrap = ['--bootstrap-server', `127.0.0.1:${port}`]
  await kafka(
    'run',
    folder,
    topics,
    ...bootstrap,
    '--create',
    '--topic',
    'frames',
    '--partitions',
    '2',
  )
  assert.match((await client.data('/brokers/topics/frames')) ?? '', /"partitions":/)
  await produce('one\ntwo\n')
  await kafka('stop', folder)
  assert.deepEqual(await client.children('/brokers/ids'), [], 'a broker that left is gone at once')
  await kafka('start', 'zookeeper', folder, String(port))
  await registered()
  const second = await client.stat('/brokers/ids/1')
  assert.ok(second && first && second.czxid > first.czxid, 'the broker epoch grows')
  await produce('three\n')
  const { stdout } = await run(peer('kcat'), [
    '-C',
    '-b',
    `127.0.0.1:${port}`,
    '-t',
    'frames',
    '-e',
    '-q',
  ])
  assert.deepEqual(stdout.trim().split('\n').sort(), ['one', 'three', 'two'])
  await client.close()
})
