import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { eventually, SeededRandom, temporaryFolder } from '@khlong/core/testing'
import { RawClient, rawClient, startBroker } from '../helpers.ts'

const program = fileURLToPath(new URL('./broker-process.ts', import.meta.url))

async function startProcess(
  t: TestContext,
  data: string,
): Promise<{ child: ChildProcess; port: number }> {
  const child = spawn(process.execPath, [program, data], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  })
  const [line] = (await once(child.stdout!, 'data')) as [Buffer]
  return { child, port: Number(String(line).trim().split(':').at(-1)) }
}

test('after a clean stop a broker goes on with sessions, queues and retained messages', async (t) => {
  const data = await temporaryFolder(t)
  const first = await startBroker(t, { data })
  const subscriber = await rawClient(t, first, 'c', { connect: { clean: false } })
  await subscriber.subscribe('t/#', 1)
  await subscriber.end()
  const publisher = await rawClient(t, first, 'p')
  publisher.publish('t/1', 'waits', { qos: 1, messageId: 1 })
  publisher.publish('r', 'kept', { qos: 0, retain: true })
  await publisher.next()
  await publisher.settled()
  await first.stop()
  const second = await startBroker(t, { data })
  const again = await rawClient(t, second, 'c', { connect: { clean: false } })
  assert.equal(String((await again.next())?.payload), 'waits')
  await again.subscribe('r', 0)
  assert.equal(String((await again.next())?.payload), 'kept')
})

test('a folder in use is refused with its owner', async (t) => {
  const data = await temporaryFolder(t)
  await startBroker(t, { data })
  await assert.rejects(startBroker(t, { data }), { code: 'DATA_FOLDER_IN_USE' })
})

test('what was acknowledged before SIGKILL reaches persistent subscribers, QoS 2 once', async (t) => {
  const data = await temporaryFolder(t)
  const seed = Date.now() & 0xffff
  const random = new SeededRandom(seed)
  t.diagnostic(`seed ${seed}`)
  const lanes = [new Lane(1), new Lane(2)]
  for (let round = 0; round < 2; round++) {
    const { child, port } = await startProcess(t, data)
    let left = 200 + Math.floor(random.next() * 400)
    const kill = (): void => {
      if (--left === 0) child.kill('SIGKILL')
    }
    const subscribers = await Promise.all(lanes.map((lane) => lane.subscribe(port)))
    await Promise.all(lanes.map((lane) => lane.publish(port, round, kill)))
    if (child.signalCode === null) await once(child, 'exit')
    for (const subscriber of subscribers) await subscriber.end()
  }
  const { port } = await startProcess(t, data)
  const subscribers = await Promise.all(lanes.map((lane) => lane.subscribe(port)))
  await eventually(() => {
    for (const { qos, lost } of lanes) assert.deepEqual(lost, [], `QoS ${qos}, seed ${seed}`)
  })
  for (const subscriber of subscribers) await subscriber.end()
  for (const { qos, acked, got } of lanes) {
    assert.ok(acked.size > 50)
    // QoS 1 may repeat what was in flight.
    const repeated = [...got].filter(([, times]) => times > 1)
    if (qos === 2) assert.deepEqual(repeated, [], `repeated with seed ${seed}`)
  }
})

/** A publisher and a persistent subscriber of one QoS, over several lives of a broker. */
class Lane {
  readonly qos: 1 | 2
  readonly acked = new Set<string>()
  readonly got = new Map<string, number>()
  /** QoS 2 identifiers that the subscriber has confirmed and that were not released. */
  readonly #seenIds = new Set<number>()
  #next = 0

  constructor(qos: 1 | 2) {
    this.qos = qos
  }

  get lost(): string[] {
    return [...this.acked].filter((text) => !this.got.has(text))
  }

  /** Publishes until the broker is gone; `onAck` is called for each acknowledgement. */
  async publish(port: number, round: number, onAck: () => void): Promise<void> {
    const client = new RawClient(port)
    await client.connect(`publisher-${this.qos}-${round}`)
    const sent = new Map<number, string>()
    const send = (): void => {
      const messageId = (this.#next % 60_000) + 1
      const text = `${this.#next++}`
      sent.set(messageId, text)
      const retain = this.#next % 7 === 0
      client.publish(`t/${this.qos}`, text, { qos: this.qos, messageId, retain })
    }
    for (let count = 0; count < 50; count++) send()
    for (;;) {
      const answer = await client.next()
      if (!answer) return
      if (answer.cmd !== 'puback' && answer.cmd !== 'pubrec') continue
      this.acked.add(sent.get(answer.messageId!)!)
      if (answer.cmd === 'pubrec') client.send({ cmd: 'pubrel', messageId: answer.messageId! })
      onAck()
      send()
    }
  }

  /** Connects the persistent subscriber, which takes and acknowledges everything. */
  async subscribe(port: number): Promise<RawClient> {
    const client = new RawClient(port)
    const connack = await client.connect(`subscriber-${this.qos}`, { clean: false })
    if (!connack.sessionPresent) await client.subscribe(`t/${this.qos}`, this.qos)
    void this.#take(client)
    return client
  }

  async #take(client: RawClient): Promise<void> {
    for (;;) {
      const packet = await client.next()
      if (!packet) return
      const messageId = packet.messageId!
      if (packet.cmd === 'publish') {
        const text = String(packet.payload)
        const isNew = packet.qos !== 2 || !this.#seenIds.has(messageId)
        if (isNew) this.got.set(text, (this.got.get(text) ?? 0) + 1)
        if (packet.qos === 2) this.#seenIds.add(messageId)
        client.send({ cmd: packet.qos === 2 ? 'pubrec' : 'puback', messageId })
      } else if (packet.cmd === 'pubrel') {
        this.#seenIds.delete(messageId)
        client.send({ cmd: 'pubcomp', messageId })
      }
    }
  }
}
