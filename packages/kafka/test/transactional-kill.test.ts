import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { SeededRandom } from '@khlong/core/testing'
import { dataFolder } from './helpers.ts'
import { kill, startChild } from './killable.ts'
import {
  committedOffset,
  createTopic,
  readAll,
  TransactionalClient,
} from './transactional-client.ts'
import { Wire } from './wire.ts'

const rounds = Number(process.env.KHLONG_KILL_ROUNDS ?? 3)
const seed = Number(process.env.KHLONG_SEED ?? Date.now() % 1_000_000)
const partitions = 6
const producers = 3

/** What may be seen of a transaction: all of it, nothing, or either where its answer was lost. */
type Fate = 'committed' | 'aborted' | 'either'

interface Sent {
  readonly name: string
  readonly partitions: readonly number[]
  fate: Fate
}

/** One transactional producer, over all its lives. */
class Load {
  readonly name: string
  readonly sent: Sent[] = []
  readonly #random: SeededRandom

  constructor(index: number) {
    this.name = `p${index}`
    this.#random = new SeededRandom(seed + index)
  }

  /** Transaction after transaction, until the connection is gone. */
  async run(address: string): Promise<void> {
    const wire = await Wire.open(address)
    const lost = wire.closed.then(() => 'lost' as const)
    const client = new TransactionalClient(wire, this.name)
    if ((await Promise.race([client.init(), lost])) !== 0) return
    for (;;) if ((await Promise.race([this.#transaction(client), lost])) === 'lost') return
  }

  async #transaction(client: TransactionalClient): Promise<void> {
    const random = this.#random
    const chosen = Array.from({ length: partitions }, (_, at) => at).filter(
      () => random.next() < 0.5,
    )
    if (chosen.length === 0) chosen.push(0)
    const isCommit = random.next() < 0.75
    const number = this.sent.length
    const name = `${this.name}/${number}`
    const sent: Sent = { name, partitions: chosen, fate: 'aborted' }
    this.sent.push(sent)
    assert.deepEqual(new Set(await client.add('load', chosen)), new Set([0]))
    const batches = chosen.map((partition) => [partition, [name, `${name}+`]] as const)
    assert.deepEqual(new Set(await client.produce('load', batches)), new Set([0]))
    assert.equal(await client.addOffsets(this.name), 0)
    assert.equal(await client.commitOffset(this.name, 'load', 0, number), 0)
    if (isCommit) sent.fate = 'either'
    assert.equal(await client.end(isCommit), 0)
    if (isCommit) sent.fate = 'committed'
  }
}

test(`no transaction is half visible, lost or doubled after kill -9, seed ${seed}`, async (t) => {
  const random = new SeededRandom(seed)
  const data = dataFolder()
  const loads = Array.from({ length: producers }, (_, index) => new Load(index))
  for (let round = 0; round < rounds; round++) {
    const child = await startChild(t, data)
    if (round === 0) {
      const wire = await Wire.open(child.address)
      await createTopic(wire, 'load', partitions)
      wire.close()
    }
    const running = loads.map((load) => load.run(child.address))
    await pause(150 + random.next() * 400)
    await kill(child)
    await Promise.all(running)
  }
  const child = await startChild(t, data)
  const wire = await Wire.open(child.address)
  // What is still open ends when its producer comes back.
  for (const { name } of loads) assert.equal(await new TransactionalClient(wire, name).init(), 0)
  const seen: string[][] = []
  const sets: Set<string>[] = []
  for (let partition = 0; partition < partitions; partition++) {
    const { values, offset, lastStableOffset } = await readAll(wire, 'load', partition)
    assert.equal(lastStableOffset, (await readAll(wire, 'load', partition, false)).offset)
    assert.equal(offset, lastStableOffset)
    seen.push(values)
    sets.push(new Set(values))
  }
  let committed = 0
  for (const load of loads) {
    let last = -1
    for (const [number, { name, partitions: chosen, fate }] of load.sent.entries()) {
      const visible = chosen.filter((partition) => sets[partition]!.has(name))
      const isSeen = visible.length > 0
      assert.ok(visible.length === 0 || visible.length === chosen.length, `${name} is half visible`)
      assert.ok(fate === 'either' || isSeen === (fate === 'committed'), `${name} ${fate} ${isSeen}`)
      if (isSeen) last = number
      if (fate === 'committed') committed++
    }
    for (const [partition, values] of seen.entries()) {
      const own = values.filter((value) => value.startsWith(`${load.name}/`))
      const order = load.sent.flatMap(({ name }) =>
        sets[partition]!.has(name) ? [name, `${name}+`] : [],
      )
      assert.deepEqual(own, order)
    }
    assert.equal(await committedOffset(wire, load.name, 'load', true), last)
  }
  assert.ok(committed > 0)
  wire.close()
  await kill(child)
})
