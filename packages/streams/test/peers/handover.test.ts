import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { eventually, temporaryFolder } from '@khlong/core/testing'
import { Admin, Fetcher, Producer } from '@khlong/kafka-client'
import { JavaProcess } from '../../../../compat/kafka-java/java.ts'
import { startKafka } from '../../../../tools/real-engines.ts'
import { streamsClassPath } from '../../../../tools/streams-parity/java.ts'
import { serdes } from '../../src/index.ts'

const places = 4
const windowMs = 30_000
const patienceMs = 120_000

/** An application that runs: what it measures, and how it is killed. */
interface Running {
  readonly metrics: readonly string[]
  kill(): Promise<unknown>
}

type Start = (servers: string, id: string, folder: string) => Promise<Running>

const startJava: Start = async (servers, id, folder) => {
  const source = fileURLToPath(new URL('./Handover.java', import.meta.url))
  const java = new JavaProcess(streamsClassPath(), source, [servers, id, `${folder}/java`])
  await java.line((line) => line.includes('handover runs'), patienceMs)
  const told = java.lines.filter((line) => line.startsWith('metric '))
  return { metrics: told.map((line) => line.slice('metric '.length)), kill: () => java.kill() }
}

const startOurs: Start = async (servers, id, folder) => {
  const file = fileURLToPath(new URL('../child/handover-instance.ts', import.meta.url))
  const child = fork(file, [servers, id, `${folder}/ours`], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const [metrics] = (await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(() => assert.fail('the application ended at its start')),
  ])) as [string[]]
  return {
    metrics,
    kill: async () => {
      if (!child.kill('SIGKILL')) return
      await once(child, 'exit')
    },
  }
}

it('an application of the Java library that is killed in a window goes on here, and one of ours there', {
  timeout: 400_000,
}, async (t) => {
  const ends: (() => Promise<unknown>)[] = []
  t.after(async () => {
    for (const end of ends.reverse()) await end()
  })
  const folder = await temporaryFolder(t)
  const servers = await startKafka(ends, `${folder}/kafka`)
  const admin = new Admin({ 'bootstrap.servers': servers })
  ends.push(() => admin.close())
  const producer = new Producer({ 'bootstrap.servers': servers })
  ends.push(() => producer.close())

  /** Gives what both applications measure. */
  const handOver = async (id: string, first: Start, second: Start): Promise<Running[]> => {
    await admin.createTopics(
      ['readings', 'sums', 'counts'].map((name) => ({ name: `${id}-${name}`, partitions: 2 })),
    )
    const windows = new Map<string, [count: number, sum: number]>()
    let sent = 0
    // Each window is closed by what comes minutes after it, and nothing is an hour ahead.
    const baseMs = Math.floor((Date.now() - 600_000) / windowMs) * windowMs
    const send = async (startMs: number, count: number): Promise<void> => {
      for (let left = count; left > 0; left--) {
        const key = `sensor ${sent % places}`
        const timestamp = startMs + (sent % 1_000)
        producer.enqueue({ topic: `${id}-readings`, key, value: String(sent), timestamp })
        const window = `place ${sent % places}@${startMs}`
        const [so, sum] = windows.get(window) ?? [0, 0]
        windows.set(window, [so + 1, sum + sent])
        sent++
      }
      await producer.flush()
    }
    const areCounted = (): Promise<void> =>
      eventually(async () => {
        const next = new Map<string, number>()
        const counts = await readCommitted(admin, servers, `${id}-counts`)
        for (const [place, value] of counts) {
          const count = serdes.long.deserialize(value)
          assert.equal(count, (next.get(place) ?? 0) + 1, `the count after that of ${place}`)
          next.set(place, count)
        }
        assert.equal(counts.length, sent)
      }, patienceMs)
    const areClosed = (startsMs: readonly number[]): Promise<void> =>
      eventually(async () => {
        const sums = await readCommitted(admin, servers, `${id}-sums`)
        const expected = [...windows]
          .filter(([window]) => startsMs.includes(Number(window.split('@')[1])))
          .map(([window, [count, sum]]) => `${window} ${count} ${sum}`)
        assert.deepEqual(
          sums.map(([window, value]) => `${window} ${value}`).sort(),
          expected.sort(),
        )
      }, patienceMs)

    const one = await first(servers, id, folder)
    ends.push(() => one.kill())
    await send(baseMs, 200)
    await areCounted()
    const middleMs = baseMs + 420_000
    await send(middleMs, 200)
    await areCounted()
    await areClosed([baseMs])
    await one.kill()
    // Who is killed is a member until its session ends, and members of both makes are not in one group:
    // ours waits for that, Java's would end.
    if (second === startJava)
      await eventually(async () => {
        const [group] = await admin.describeGroups([id])
        assert.deepEqual(group?.members, [])
      }, patienceMs)
    const two = await second(servers, id, folder)
    ends.push(() => two.kill())
    await send(middleMs, 200)
    await areCounted()
    await send(baseMs + 1_200_000, places)
    await areCounted()
    await areClosed([baseMs, middleMs])
    await two.kill()
    return [one, two]
  }

  const [[java, ours]] = await Promise.all([
    handOver('java-first', startJava, startOurs),
    handOver('ours-first', startOurs, startJava),
  ])
  // What is measured here has a name, a group and tags that Java has, too.
  const javaMetrics = new Set(java!.metrics)
  assert.deepEqual(
    ours!.metrics.filter((metric) => !javaMetrics.has(metric)),
    [],
  )
  t.diagnostic(`${ours!.metrics.length} metrics of ${java!.metrics.length} that Java has`)
})

/** What a reader of committed records finds, in the order of each partition. */
async function readCommitted(
  admin: Admin,
  servers: string,
  topic: string,
): Promise<[key: string, value: Buffer][]> {
  const partitions = [0, 1].map((partition) => ({ topic, partition }))
  const ends = await admin.listOffsets(
    partitions.map((one) => ({ ...one, spec: 'latest' })),
    { isCommitted: true },
  )
  await using fetcher = new Fetcher({
    'bootstrap.servers': servers,
    'isolation.level': 'read_committed',
  })
  fetcher.assign(partitions.map((one) => ({ ...one, offset: 0 })))
  const found: [string, Buffer][] = []
  while (ends.some((end) => (fetcher.position(end) ?? 0) < end.offset))
    for (const { records } of await fetcher.poll(200))
      for (const { key, value } of records) found.push([String(key), value!])
  return found
}
