import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import net from 'node:net'
import path from 'node:path'
import test, { type TestContext } from 'node:test'
import { listenTcp, type VitalItem } from '@khlong/core'
import { temporaryFolder } from '@khlong/core/testing'
import { readPipeline } from '../src/config/pipeline.ts'
import { diagnose } from '../src/doctor/doctor.ts'
import { serversOf } from '../src/doctor/examine-addresses.ts'
import { examineBudget, retentionLines } from '../src/doctor/examine-disk.ts'
import { examineSnapshot } from '../src/doctor/examine-snapshot.ts'
import { listeningInodes, portOwner } from '../src/doctor/port-owner.ts'
import { reportLines } from '../src/doctor/report.ts'
import type { PartSnapshot, Snapshot } from '../src/status/snapshot.ts'

const part = (changes: Partial<PartSnapshot>): PartSnapshot => ({
  name: 'connect',
  kind: 'embedded',
  status: 'ready',
  address: '127.0.0.1:8083',
  addresses: {},
  thread: 'main',
  restarts: 0,
  memoryBytes: 0,
  ratePerSecond: 0,
  ...changes,
})

const item = (changes: Partial<VitalItem>): VitalItem => ({
  kind: 'connector',
  name: 'sink',
  state: 'running',
  recordsIn: 1,
  recordsOut: 1,
  ...changes,
})

const withItems = (...items: VitalItem[]): PartSnapshot =>
  part({ vitals: { recordsIn: 0, recordsOut: 0, facts: {}, items } })

const snapshotOf = (...parts: PartSnapshot[]): Snapshot => ({
  name: 'iot',
  version: '0.0.0',
  processId: 1,
  folder: '/pipeline',
  data: '/data',
  uptimeMs: 1,
  ready: true,
  memory: { anonymousBytes: 0, rssBytes: 0 },
  cpuPercent: 0,
  parts,
})

async function takenPort(t: TestContext): Promise<number> {
  const server = net.createServer()
  t.after(() => server.close())
  return (await listenTcp(server, { host: '127.0.0.1', port: 0 })).port
}

/** A pipeline folder of one part, so that nothing depends on what else runs on this machine. */
async function pipelineFolder(t: TestContext, mongodb: string): Promise<string> {
  const folder = path.join(await temporaryFolder(t), 'mine')
  await mkdir(folder)
  const others = 'mqtt zookeeper kafka connect streams prometheus grafana'.split(' ')
  const off = others.map((name) => `${name}: false\n`).join('')
  await writeFile(path.join(folder, 'khlong.yml'), `${off}mongodb: { ${mongodb} }\n`)
  return folder
}

test('a healthy snapshot gives no findings', () => {
  const healthy = item({ lag: 1_000, deadLetters: 0 })
  assert.deepEqual(examineSnapshot(snapshotOf(withItems(healthy))), [])
})

test('what failed, waits or was set aside is said with what to do', () => {
  const findings = examineSnapshot(
    snapshotOf(
      part({ name: 'mongodb', status: 'failed', error: 'disk I/O', restarts: 2 }),
      withItems(
        item({ name: 'a', state: 'failed', note: 'no such host' }),
        item({ name: 'b', state: 'paused', lag: 4_321 }),
        item({ name: 'c', deadLetters: 3 }),
        item({ kind: 'topic', name: 'd', lag: 2_000 }),
      ),
    ),
  )
  assert.deepEqual(
    findings.map(({ level, what }) => [level, what]),
    [
      ['wrong', 'mongodb has failed: disk I/O'],
      ['note', 'mongodb was started again 2 times after a failure'],
      ['wrong', 'connect: connector a has failed: no such host'],
      ['note', 'connect: connector b is paused'],
      ['wrong', 'connect: connector b is 4.32 k records behind'],
      ['note', 'connect: connector c has set 3 records aside since it started'],
      ['wrong', 'connect: topic d: a reader is 2.00 k records behind'],
    ],
  )
  assert.match(findings[2]?.remedy ?? '', /^npx khlong connect status a /)
  assert.equal(findings[3]?.remedy, 'npx khlong connect resume b')
})

test('a written port that is taken is said with who has it', async (t) => {
  const port = await takenPort(t)
  const folder = await pipelineFolder(t, `listen: ${port}`)
  const { findings } = await diagnose({ folder })
  const finding = findings.find(({ level }) => level === 'wrong')
  assert.match(
    finding?.what ?? '',
    new RegExp(`khlong.yml:8: mongodb.listen: port ${port} is taken`),
  )
  const owner = await portOwner(port)
  if (process.platform === 'linux') assert.equal(owner?.processId, process.pid)
})

test('a wrong key is said with file and line, and a real system that is away with its address', async (t) => {
  const folder = await pipelineFolder(t, 'lissten: 1')
  const [wrongKey] = (await diagnose({ folder })).findings
  assert.match(wrongKey?.what ?? '', /khlong.yml:8: mongodb.lissten: .*did you mean listen/)
  const port = await takenPort(t)
  const set = [`mongodb={ url: "mongodb://u:p@127.0.0.1:${port},127.0.0.1:1/iot" }`]
  const { findings } = await diagnose({ folder: await pipelineFolder(t, ''), set })
  const wrong = findings.filter(({ level }) => level === 'wrong')
  assert.deepEqual(
    wrong.map(({ what }) => what),
    ['mongodb at 127.0.0.1:1 cannot be reached: ECONNREFUSED'],
  )
})

test('a data folder whose owner was killed is said; all that takes space is counted', async (t) => {
  const folder = await pipelineFolder(t, 'listen: 0')
  const data = path.join(folder, 'data')
  await mkdir(path.join(data, 'mongodb'), { recursive: true })
  await writeFile(path.join(data, 'mongodb', 'file'), Buffer.alloc(200_000, 1))
  const gone = spawn(process.execPath, ['-e', ''])
  await once(gone, 'exit')
  await writeFile(path.join(data, 'owner.pid'), `${gone.pid}\n`)
  const diagnosis = await diagnose({ folder })
  assert.equal(diagnosis.state?.kind, 'killed')
  assert.ok((diagnosis.space?.parts[0]?.bytes ?? 0) >= 200_000)
  const lines = reportLines(diagnosis, false)
  assert.ok(
    lines.some((line) => /^ {2}mongodb +\d+ KiB$/.test(line)),
    lines.join('\n'),
  )
  assert.ok(lines.includes(`note   the last run (process ${gone.pid}) was killed`))
  assert.equal(lines.at(-1), 'nothing is wrong')
})

test('listeners are found in the table of the system', () => {
  const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:2384 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 41 1 0 100 0 0 10 0
   1: 0100007F:2384 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 42 1 0 20 4 30 10 -1
   2: 0100007F:2385 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 43 1 0 100 0 0 10 0
`
  assert.deepEqual(listeningInodes(table, 0x2384), ['41'])
})

test('servers are read from addresses of every kind', () => {
  assert.deepEqual(serversOf('k1:9092,[::1]:9093'), [
    { host: 'k1', port: 9_092 },
    { host: '::1', port: 9_093 },
  ])
  assert.deepEqual(serversOf('mqtts://me:secret@broker'), [{ host: 'broker', port: 8_883 }])
  assert.deepEqual(serversOf('http://prometheus:9090/path'), [{ host: 'prometheus', port: 9_090 }])
  assert.deepEqual(serversOf('mongodb+srv://cluster.example'), [])
})

test('the disk budget is said when it is nearly used up, and what is kept for how long', async (t) => {
  const disk = { usedBytes: 80, budgetBytes: 100, limitBytes: 100, freeBytes: 500, parts: [] }
  assert.deepEqual(examineBudget(disk), [])
  assert.equal(examineBudget({ ...disk, usedBytes: 95 })[0]?.level, 'note')
  const [held] = examineBudget({ ...disk, held: 'the disk has only 1 B left' })
  assert.equal(held?.level, 'wrong')
  assert.match(held?.what ?? '', /sources have to wait: the disk has only 1 B left/)
  const folder = await temporaryFolder(t)
  await writeFile(
    path.join(folder, 'khlong.yml'),
    'kafka: { log.retention.hours: 12 }\ndisk: { expire: { iot.frames: { field: at, after: 30d } } }\n',
  )
  assert.deepEqual(
    retentionLines(await readPipeline({ folder })).map((line) => line.trim().split(/\s{2,}/)),
    [
      ['records', '0.5 days', 'kafka.log.retention.hours'],
      ['iot.frames', '30 days', 'disk.expire'],
      ['series', '15d', 'prometheus.storage.tsdb.retention.time'],
    ],
  )
})
