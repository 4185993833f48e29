import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { eventually } from '@khlong/core/testing'
import { Admin, Fetcher, Producer } from '@khlong/kafka-client'
import { serdes } from '../../src/index.ts'

export interface KillScenario {
  /** Takes what ends what was started. */
  readonly stops: { push(stop: () => Promise<unknown>): void }
  readonly folder: string
  /** The address of a Kafka, embedded or real. */
  readonly servers: string
  /** For how long instances are killed. */
  readonly durationMs: number
  /** 0 to 1; what decides who is killed, when, and for how long it stays away. */
  readonly random: () => number
}

/** What happened, for whoever prints it. */
export interface KillReport {
  readonly kills: number
  readonly stops: number
  readonly lines: number
  readonly readings: number
  readonly words: number
  readonly windows: number
}

const partitions = 6
const rooms = 12
const tickMs = 50
const perTick = 10
/** By how much each reading is later than the one before: windows of 1 s have 1,000. */
const stepMs = 1
/** Now: a real Kafka removes what is older than its retention. */
const startMs = Math.floor(Date.now() / 1_000) * 1_000
/** How long results may take to be complete after the last kill. */
const patienceMs = 180_000
const vocabulary = 'to be or not that is the question whether it nobler in mind suffer'.split(' ')

/**
 * Three instances, two of them with two threads and one without a folder, that are killed or stopped
 * at random and come back at once or after their sessions ended. Every update of the word count, every
 * window's sums and every joined record are there once, as a recount has them.
 */
export async function runKillScenario(options: KillScenario): Promise<KillReport> {
  const { servers, stops, random, durationMs } = options
  const admin = new Admin({ 'bootstrap.servers': servers })
  stops.push(() => admin.close())
  await admin.createTopics(
    ['lines', 'readings', 'rooms', 'word-counts', 'window-sums', 'joined'].map((name) => ({
      name,
      partitions,
    })),
  )
  const load = new Load(servers, random)
  stops.push(() => load.close())
  await load.sendRooms()
  const instances = [1, 2, 3].map((number) => new Instance(options, number))
  for (const instance of instances) stops.push(() => instance.kill())
  await Promise.all(instances.map((instance) => instance.start()))
  // A join looks at the table as it is: it is to be there before the readings.
  await eventually(() => assertRead(admin, 'rooms'), 60_000)

  let kills = 0
  let graceful = 0
  const endMs = performance.now() + durationMs
  const sending = load.runUntil(endMs)
  while (performance.now() < endMs) {
    await pause(1_000 + random() * 2_500)
    const instance = instances[Math.floor(random() * instances.length)]!
    if (random() < 0.8) {
      await instance.kill()
      kills++
    } else {
      await instance.stop()
      graceful++
    }
    // Some come back before anybody misses them, others find their tasks taken.
    if (random() < 0.3) await pause(random() * 8_000)
    await instance.start()
  }
  await sending
  // What closes the windows must not overtake readings of other partitions.
  await eventually(() => assertRead(admin, 'readings'), patienceMs)
  await load.closeWindows()
  await eventually(() => load.assertComplete(admin), patienceMs)
  for (const instance of instances) await instance.stop()
  const { lines, readings, wordCount, windowCount } = load
  return { kills, stops: graceful, lines, readings, words: wordCount, windows: windowCount }
}

async function assertRead(admin: Admin, topic: string): Promise<void> {
  const places = Array.from({ length: partitions }, (_, partition) => ({ topic, partition }))
  const ends = await admin.listOffsets(places.map((one) => ({ ...one, spec: 'latest' })))
  const committed = await admin.listConsumerGroupOffsets('killed', places)
  for (const end of ends) {
    const at = committed.find(
      (one) => one.topic === topic && one.partition === end.partition,
    )?.offset
    assert.equal(at ?? 0, end.offset, `${topic}-${end.partition} is read`)
  }
}

/** A process of the application. */
class Instance {
  readonly #arguments: string[]
  #child: ChildProcess | undefined

  constructor({ servers, folder }: KillScenario, number: number) {
    const data = number === 3 ? [] : [`${folder}/instance-${number}`]
    this.#arguments = [servers, number === 2 ? '1' : '2', ...data]
  }

  async start(): Promise<void> {
    const file = fileURLToPath(new URL('../child/kill-instance.ts', import.meta.url))
    const child = fork(file, this.#arguments, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
    this.#child = child
    await Promise.race([once(child, 'message'), once(child, 'exit')])
    assert.equal(child.exitCode, null, 'an instance ended at its start')
  }

  kill(): Promise<void> {
    return this.#end('SIGKILL')
  }
  stop(): Promise<void> {
    return this.#end('SIGTERM')
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    child.kill(signal)
    await once(child, 'exit')
  }
}

/** What is sent, and what has to come of it. */
class Load {
  lines = 0
  readings = 0
  readonly #servers: string
  readonly #producer: Producer
  readonly #random: () => number
  readonly #words = new Map<string, number>()
  readonly #windows = new Map<string, [count: number, sum: number]>()

  constructor(servers: string, random: () => number) {
    this.#servers = servers
    this.#random = random
    this.#producer = new Producer({ 'bootstrap.servers': servers })
  }

  get wordCount(): number {
    return [...this.#words.values()].reduce((sum, count) => sum + count, 0)
  }
  get windowCount(): number {
    return this.#windows.size
  }

  async sendRooms(): Promise<void> {
    for (let number = 0; number < rooms; number++)
      this.#producer.enqueue({
        topic: 'rooms',
        key: `s${number}`,
        value: `room ${number}`,
        timestamp: startMs,
      })
    await this.#producer.flush()
  }

  async runUntil(endMs: number): Promise<void> {
    while (performance.now() < endMs) {
      for (let left = perTick; left > 0; left--) this.#sendReading()
      this.#sendLine()
      await pause(tickMs)
    }
    await this.#producer.flush()
  }

  #sendReading(): void {
    const reading = this.readings++
    const key = `s${Math.floor(this.#random() * rooms)}`
    const timestamp = startMs + reading * stepMs
    this.#producer.enqueue({ topic: 'readings', key, value: String(reading), timestamp })
    const window = `place ${key.at(-1)}@${timestamp - (timestamp % 1_000)}`
    const [count, sum] = this.#windows.get(window) ?? [0, 0]
    this.#windows.set(window, [count + 1, sum + reading])
  }

  #sendLine(): void {
    const words = Array.from(
      { length: 5 },
      () => vocabulary[Math.floor(this.#random() * vocabulary.length)]!,
    )
    this.#producer.enqueue({
      topic: 'lines',
      partition: this.lines++ % partitions,
      value: words.join(' '),
      timestamp: startMs,
    })
    for (const word of words) this.#words.set(word, (this.#words.get(word) ?? 0) + 1)
  }

  /** Sends what is so late that every window ends. It has no room, and so joins nothing. */
  async closeWindows(): Promise<void> {
    for (let place = 0; place < 10; place++)
      this.#producer.enqueue({
        topic: 'readings',
        key: `nobody ${place}`,
        value: '0',
        // A real Kafka refuses what is more than an hour ahead.
        timestamp: startMs + this.readings * stepMs + 300_000,
      })
    await this.#producer.flush()
  }

  /** Throws where anything is missing, doubled, or out of its order. */
  async assertComplete(admin: Admin): Promise<void> {
    const joined = await this.#read(admin, 'joined')
    assert.equal(joined.length, this.readings, 'joined records')
    const numbers = joined.map(([key, value]) => {
      assert.match(value.toString(), new RegExp(`^\\d+ in room ${key.slice(1)}$`))
      return Number.parseInt(value.toString(), 10)
    })
    assert.equal(new Set(numbers).size, this.readings, 'joined records, each once')

    const counts = new Map<string, number>()
    for (const [word, value] of await this.#read(admin, 'word-counts')) {
      const count = serdes.long.deserialize(value)
      assert.equal(count, (counts.get(word) ?? 0) + 1, `the count after that of ${word}`)
      counts.set(word, count)
    }
    assert.deepEqual([...counts].sort(), [...this.#words].sort())

    const sums = await this.#read(admin, 'window-sums')
    assert.deepEqual(
      sums.map(([window, value]) => `${window} ${value}`).sort(),
      [...this.#windows].map(([window, [count, sum]]) => `${window} ${count} ${sum}`).sort(),
    )
  }

  /** What a reader of committed records finds, in the order of each partition. */
  async #read(admin: Admin, topic: string): Promise<[key: string, value: Buffer][]> {
    const places = Array.from({ length: partitions }, (_, partition) => ({ topic, partition }))
    const ends = await admin.listOffsets(
      places.map((one) => ({ ...one, spec: 'latest' })),
      { isCommitted: true },
    )
    await using fetcher = new Fetcher({
      'bootstrap.servers': this.#servers,
      'isolation.level': 'read_committed',
    })
    fetcher.assign(places.map((one) => ({ ...one, offset: 0 })))
    const found: [string, Buffer][] = []
    while (ends.some((end) => (fetcher.position(end) ?? 0) < end.offset))
      for (const { records } of await fetcher.poll(200))
        for (const { key, value } of records) found.push([String(key), value!])
    return found
  }

  async close(): Promise<void> {
    await this.#producer.close()
  }
}
