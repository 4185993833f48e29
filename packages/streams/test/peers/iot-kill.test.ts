import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, fork, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { describe, it, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { temporaryFolder } from '@khlong/core/testing'
import { Admin, type ConsumerRecord, Fetcher, Producer } from '@khlong/kafka-client'
import { reference } from '../../../../tools/peers.ts'
import { freePort } from '../../../../tools/real-engines.ts'

const windowMs = 1_000
const frameTopic = 'iot-frames'
const outputs = {
  sensor: 'iot-aggregate-metrics-sensor',
  place: 'iot-aggregate-metrics-place',
  series: 'iot-metrics-time-series',
  deadLetters: 'iot-processor-dead-letters',
} as const

async function startKafka(t: TestContext): Promise<string> {
  const script = reference('kafka.sh')
  let folder = ''
  // Before the folder is made: what comes first is cleaned up first.
  t.after(() => {
    spawnSync('bash', [script, 'stop', folder], { stdio: 'ignore' })
  })
  folder = await temporaryFolder(t)
  const port = await freePort()
  execFileSync('bash', [script, 'start', 'kraft', folder, String(port)], {
    stdio: 'ignore',
    env: { ...process.env, KAFKA_HEAP: '-Xmx512M' },
  })
  return `127.0.0.1:${port}`
}

async function startApplication(servers: string, data: string): Promise<ChildProcess> {
  const file = fileURLToPath(new URL('iot-application.ts', import.meta.url))
  const child = fork(file, [servers, data, String(windowMs)], { stdio: 'inherit' })
  const [message] = (await once(child, 'message')) as [string]
  assert.equal(message, 'running')
  return child
}

async function readAll(servers: string, topic: string): Promise<ConsumerRecord[]> {
  await using admin = new Admin({ 'bootstrap.servers': servers })
  const [described] = await admin.describeTopics([topic])
  const partitions = described!.partitions.map(({ partition }) => ({ topic, partition }))
  const ends = await admin.listOffsets(
    partitions.map((one) => ({ ...one, spec: 'latest' })),
    { isCommitted: true },
  )
  await using fetcher = new Fetcher({
    'bootstrap.servers': servers,
    'isolation.level': 'read_committed',
  })
  fetcher.assign(partitions.map((one) => ({ ...one, offset: 0 })))
  const records: ConsumerRecord[] = []
  while (ends.some((end) => (fetcher.position(end) ?? 0) < end.offset))
    for (const polled of await fetcher.poll(200)) records.push(...polled.records)
  return records
}

const json = (record: ConsumerRecord): Record<string, unknown> =>
  JSON.parse(String(record.value)) as Record<string, unknown>

describe('the pipeline on a real Kafka', () => {
  it('counts every frame of every window once though it is killed in between', {
    timeout: 180_000,
  }, async (t) => {
    let child: ChildProcess | undefined
    t.after(() => child?.kill('SIGKILL'))
    const servers = await startKafka(t)
    const data = await temporaryFolder(t)
    await using admin = new Admin({ 'bootstrap.servers': servers })
    await admin.createTopics([
      { name: frameTopic, partitions: 6 },
      ...[outputs.sensor, outputs.place, outputs.series].map((name) => ({ name, partitions: 2 })),
    ])
    await using producer = new Producer({ 'bootstrap.servers': servers })

    child = await startApplication(servers, data)
    let sent = 0
    let kills = 0
    const startedMs = Date.now()
    const killAtMs = [2_300, 4_900, 7_600]
    while (Date.now() - startedMs < 10_000) {
      for (let index = 0; index < 25; index++) {
        const id = sent % 20
        const payload = { temperature: sent % 35, humidity: 50, pressure: 1_010, luminosity: 7 }
        const isBad = sent % 997 === 996
        const frame = {
          id: `s${id}`,
          name: `sensor ${id}`,
          place_id: `p${id % 3}`,
          payload,
          timestamp: Date.now(),
        }
        producer.enqueue({
          topic: frameTopic,
          key: `s${id}`,
          value: isBad ? 'no frame' : JSON.stringify(frame),
        })
        sent++
      }
      await pause(50)
      if (Date.now() - startedMs < (killAtMs[kills] ?? Number.POSITIVE_INFINITY)) continue
      kills++
      child.kill('SIGKILL')
      await once(child, 'exit')
      child = await startApplication(servers, data)
    }
    await producer.flush()

    const frames = await readAll(servers, frameTopic)
    assert.equal(frames.length, sent)
    const expected = new Map<string, { count: number; temperature: number }>()
    let bad = 0
    for (const record of frames) {
      if (String(record.value) === 'no frame') {
        bad++
        continue
      }
      const { id, place_id, payload } = json(record) as {
        id: string
        place_id: string
        payload: { temperature: number }
      }
      const start = record.timestamp - (record.timestamp % windowMs)
      for (const key of [`${id}@${start}`, `${place_id}@${start}`]) {
        const sum = expected.get(key) ?? { count: 0, temperature: 0 }
        expected.set(key, {
          count: sum.count + 1,
          temperature: sum.temperature + payload.temperature,
        })
      }
    }

    // The last windows close by the clock: nothing comes after them.
    const found = new Map<string, Record<string, unknown>[]>()
    for (const deadline = Date.now() + 40_000; Date.now() < deadline; ) {
      found.clear()
      for (const topic of [outputs.sensor, outputs.place])
        for (const record of await readAll(servers, topic)) {
          const value = json(record)
          const id = String(value.sensor_id ?? value.place_id)
          assert.equal(String(record.key), id)
          const key = `${id}@${value.start_agg}`
          found.set(key, [...(found.get(key) ?? []), value])
        }
      if (found.size >= expected.size) break
      await pause(1_000)
    }
    assert.deepEqual([...found.keys()].sort(), [...expected.keys()].sort())

    for (const [key, { count, temperature }] of expected) {
      const results = found.get(key)!
      assert.deepEqual(
        results.map((result) => result.count_measures),
        [count],
        key,
      )
      assert.equal(results[0]?.avg_temperature, temperature / count)
      assert.equal(results[0]?.end_agg, Number(key.split('@')[1]) + windowMs)
    }
    const series = await readAll(servers, outputs.series)
    assert.equal(series.length, sent - bad)
    const deadLetters = await readAll(servers, outputs.deadLetters)
    assert.equal(deadLetters.length, bad)
    t.diagnostic(`${sent} frames, ${kills} kills, ${expected.size} windows, each given once`)
    child.kill('SIGTERM')
    const [exitCode] = (await once(child, 'exit')) as [number]
    assert.equal(exitCode, 0)
  })
})
