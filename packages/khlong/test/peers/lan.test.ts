import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { cp } from 'node:fs/promises'
import path from 'node:path'
import test, { type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { eventually, temporaryFolder } from '@khlong/core/testing'
import { peer } from '../../../../tools/peers.ts'

// Two hosts of the test's own: network namespaces with a cable between them, so that whatever else
// runs on this machine is out of sight. It needs Linux, root, and `ip` of iproute2.

const run = promisify(execFile)
const root = fileURLToPath(new URL('../../../../', import.meta.url))
const probe = fileURLToPath(new URL('lan-probe.ts', import.meta.url))
const here = '10.213.7.1'

interface Hosts {
  /** The namespace that Khlong runs in, and the one of whoever else is on the network. */
  readonly ours: string
  readonly theirs: string
}

async function twoHosts(t: TestContext): Promise<Hosts> {
  const ours = `khlong-a-${process.pid}`
  const theirs = `khlong-b-${process.pid}`
  const ip = (...args: string[]): Promise<unknown> => run('ip', args)
  for (const name of [ours, theirs]) {
    await ip('netns', 'add', name)
    t.after(() => ip('netns', 'delete', name))
  }
  await ip('link', 'add', 'cable', 'netns', ours, 'type', 'veth', 'peer', 'cable', 'netns', theirs)
  for (const [name, address] of [
    [ours, `${here}/24`],
    [theirs, '10.213.7.2/24'],
  ] as const) {
    await ip('-n', name, 'address', 'add', address, 'dev', 'cable')
    await ip('-n', name, 'link', 'set', 'cable', 'up')
    await ip('-n', name, 'link', 'set', 'lo', 'up')
  }
  return { ours, theirs }
}

/** Why there can be no hosts of the test's own here; undefined where there can. */
async function whatHostsNeed(): Promise<string | undefined> {
  const name = `khlong-try-${process.pid}`
  return run('ip', ['netns', 'add', name]).then(
    async () => {
      await run('ip', ['netns', 'delete', name])
      return undefined
    },
    ({ code, stderr }: { code: unknown; stderr?: string }) =>
      `it needs Linux, root and iproute2's ip: ${stderr?.trim() || String(code)}`,
  )
}

interface Running {
  readonly folder: string
  output(): string
  stop(): Promise<void>
}

/** `khlong up` with its default ports, for a namespace has them all free. */
async function up(t: TestContext, folder: string, hosts: Hosts, flags: string[]): Promise<Running> {
  const main = path.join(root, 'packages/khlong/src/main.ts')
  const args = [process.execPath, main, 'up', folder, '--demo', '--no-open', ...flags]
  const child = spawn('ip', ['netns', 'exec', hosts.ours, ...args])
  const ended = new Promise((resolve) => child.once('exit', resolve))
  const stop = async (): Promise<void> => {
    if (child.exitCode === null) child.kill('SIGTERM')
    await ended
  }
  t.after(() => child.kill('SIGKILL'))
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString()
    })
  await eventually(() => {
    assert.equal(child.exitCode, null, output)
    assert.match(output, /Try next:/)
  }, 60_000)
  return { folder, output: () => output, stop }
}

/** What a stranger on the network finds: ports that answer, and what they give without a login. */
interface Found {
  readonly open: readonly number[]
  readonly given: readonly string[]
}

async function look(hosts: Hosts, ...args: string[]): Promise<Found> {
  const command = ['netns', 'exec', hosts.theirs, process.execPath, probe, here, ...args]
  const { stdout } = await run('ip', command, { timeout: 90_000 })
  return JSON.parse(stdout) as Found
}

test('without --lan a stranger on the network finds no port; with it three, and none gives anything without a login', async (t) => {
  const missing = await whatHostsNeed()
  if (missing !== undefined) return t.skip(missing)
  const hosts = await twoHosts(t)
  const folder = path.join(await temporaryFolder(t), 'iot')
  await cp(path.join(root, 'pipelines/iot'), folder, {
    recursive: true,
    filter: (source) => path.basename(source) !== 'data',
  })

  const alone = await up(t, folder, hosts, [])
  assert.deepEqual(await look(hosts), { open: [], given: [] })
  assert.doesNotMatch(alone.output(), /password/)
  await alone.stop()

  const shared = await up(t, folder, hosts, ['--lan'])
  const output = shared.output()
  assert.deepEqual(await look(hosts), { open: [1_883, 3_000, 9_001], given: [] })
  assert.match(output, new RegExp(`console +http://${here}:3000`))
  assert.match(output, new RegExp(`MQTT +mqtt://${here}:1883`))
  assert.match(output, /[█▀▄]{20}/)
  const [, admin = ''] = /console: user admin, password (\S+)/.exec(output) ?? []
  const [, secret = ''] = /MQTT: user device-1, password (\S+)/.exec(output) ?? []

  // Those who have a login get what is theirs.
  const within = (name: string, ...args: string[]): Promise<{ stdout: string }> =>
    run('ip', ['netns', 'exec', name, ...args], { timeout: 20_000 })
  const from = ['-h', here, '-u', 'device-1', '-q', '1']
  const frame =
    '{"id":"d1","name":"d1","place_id":"1","payload":{"temperature":21,"humidity":40,"pressure":1013,"luminosity":300}}'
  const publish = (password: string): Promise<{ stdout: string }> => {
    const message = ['-t', 'iot-frames', '-m', frame]
    return within(hosts.theirs, peer('mosquitto_pub'), ...from, '-P', password, ...message)
  }
  await publish(secret)
  await assert.rejects(publish('wrong'), /not authorised/i)
  // The frames of others are not its own.
  const listen = ['-t', '#', '-W', '3']
  await assert.rejects(
    within(hosts.theirs, peer('mosquitto_sub'), ...from, '-P', secret, ...listen),
    ({ stdout }: { stdout: string }) => stdout === '',
  )
  const eval_ = `
    const { MongoClient } = await import('mongodb')
    const client = await MongoClient.connect('mongodb://127.0.0.1:27017')
    const frames = client.db('iot').collection('iot_frames')
    const ids = await frames.distinct('id')
    await client.close()
    console.log(JSON.stringify(ids))`
  await eventually(async () => {
    const node = [process.execPath, '--input-type=module', '-e', eval_]
    const { stdout } = await run('ip', ['netns', 'exec', hosts.ours, ...node], { cwd: root })
    const ids = JSON.parse(stdout) as string[]
    // The device's frame came through, and those of the pipeline's own fleet do.
    assert.ok(ids.includes('d1') && ids.includes('12434345'), stdout)
  }, 20_000)
  const { given } = await look(hosts, 'admin', admin)
  for (const route of ['/api/user', '/-/setup', '/-/access/audit', '/-/kafka/topics'])
    assert.ok(given.includes(route), `${route}: ${given}`)
  await shared.stop()

  const again = await up(t, folder, hosts, ['--lan'])
  assert.doesNotMatch(again.output(), /not shown again|password/)
  await publish(secret)
  await again.stop()
})
