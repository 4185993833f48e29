import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { eventually, temporaryFolder } from '@khlong/core/testing'
import { KafkaBroker } from '@khlong/kafka'
import { Admin, Fetcher, Producer } from '@khlong/kafka-client'
import { KafkaStreams, StreamsBuilder, serdes, TopologyTestDriver } from '../src/index.ts'

const text = { keySerde: serdes.string, valueSerde: serdes.string }

/** Work that ends when the test says so. */
class Work {
  readonly begun: string[] = []
  readonly #ends = new Map<string, (fails: boolean) => void>()

  readonly do = (value: string): Promise<string> => {
    this.begun.push(value)
    return new Promise((resolve, reject) => {
      this.#ends.set(value, (fails) => (fails ? reject(new Error(value)) : resolve(`${value}!`)))
    })
  }

  end(value: string, fails = false): void {
    this.#ends.get(value)?.(fails)
  }
}

describe('mapValuesAsync', () => {
  it('gives records in the order in which they came, with their own time and headers', async () => {
    const work = new Work()
    const builder = new StreamsBuilder()
    builder.stream('in', text).mapValuesAsync(work.do).to('out', text)
    const driver = new TopologyTestDriver(builder.build(), {
      settings: { 'processing.exception.handler': 'log-and-continue' },
    })
    const input = driver.createInputTopic('in', serdes.string, serdes.string)
    input.pipe('a', 'one', 1, [['h', Buffer.from('1')]])
    input.pipe('b', 'two', 2)
    input.pipe('c', 'three', 3)
    assert.deepEqual(work.begun, ['one', 'two', 'three'])
    work.end('three')
    work.end('two', true)
    const output = driver.createOutputTopic('out', serdes.string, serdes.string)
    assert.equal(output.size, 0)
    work.end('one')
    await driver.settle()
    assert.deepEqual(
      output
        .readAll()
        .map(({ key, value, timestampMs, headers }) => [
          key,
          value,
          timestampMs,
          headers.map(([name]) => name),
        ]),
      [
        ['a', 'one!', 1, ['h']],
        ['c', 'three!', 3, []],
      ],
    )
    assert.equal(driver.counts.dropped.error, 1)
  })

  it('reads no more than it may wait for, and commits what is done', async (t: TestContext) => {
    let broker: KafkaBroker | undefined
    t.after(() => broker?.stop())
    const data = await temporaryFolder(t)
    broker = new KafkaBroker({ listen: 0, data, 'group.initial.rebalance.delay.ms': 0 })
    await broker.start()
    const [servers] = Object.values(broker.addresses)
    await using admin = new Admin({ 'bootstrap.servers': servers! })
    await admin.createTopics(['in', 'out'].map((name) => ({ name, partitions: 1 })))
    await using producer = new Producer({ 'bootstrap.servers': servers! })
    for (const value of ['one', 'two', 'three'])
      await producer.send({ topic: 'in', key: 'k', value })
    const work = new Work()
    const builder = new StreamsBuilder()
    builder.stream('in', text).mapValuesAsync(work.do).to('out', text)
    await using streams = new KafkaStreams(builder.build(), {
      'application.id': 'async',
      'bootstrap.servers': servers!,
      'commit.interval.ms': 50,
      'async.records.max': 2,
    })
    await streams.start()
    await eventually(() => assert.deepEqual(work.begun, ['one', 'two']), 30_000)
    work.end('one')
    await eventually(() => assert.deepEqual(work.begun, ['one', 'two', 'three']), 30_000)
    work.end('three')
    work.end('two')
    await using fetcher = new Fetcher({ 'bootstrap.servers': servers! })
    fetcher.assign([{ topic: 'out', partition: 0, offset: 0 }])
    const values: string[] = []
    await eventually(async () => {
      for (const { records } of await fetcher.poll(100))
        for (const { value } of records) values.push(String(value))
      assert.deepEqual(values, ['one!', 'two!', 'three!'])
    }, 30_000)
  })
})
