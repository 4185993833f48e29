import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { pathToFileURL } from 'node:url'
import { type Clock, systemClock } from '@khlong/core'
import { temporaryFolder } from '@khlong/core/testing'
import {
  consumerClientSettings,
  consumerSettings,
  producerSettings,
  topicSettings,
} from '../src/client-settings.ts'
import {
  type DefaultSerdes,
  defineStreams,
  resolveStreamsSettings,
  StreamsApps,
  StreamsBuilder,
  serdes,
  TopologyTestDriver,
} from '../src/index.ts'

const library = pathToFileURL(path.resolve(import.meta.dirname, '../src/index.ts')).href

async function folderOf(t: TestContext, files: Record<string, string>): Promise<string> {
  const folder = await temporaryFolder(t)
  for (const [name, text] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true })
    await writeFile(path.join(folder, name), text)
  }
  return folder
}

const shout = `
import { defineStreams, serdes } from ${JSON.stringify(library)}
import { louder } from './model/louder.ts'
const text = { keySerde: serdes.string, valueSerde: serdes.string }
export default defineStreams({ 'application.id': 'shout' }, (builder, settings) => {
  builder.stream(String(settings.from), text).mapValues(louder).to('shouted', text)
})`

describe('a folder of applications', () => {
  it('starts each module; one that cannot be loaded is failed with its reason, the others go on', async (t) => {
    const apps = await folderOf(t, {
      'shout.ts': shout,
      'model/louder.ts': 'export const louder = (words: string): string => words.toUpperCase()',
      'broken.ts': 'throw new Error("nobody wrote this")',
      'other.js': 'export default { topology: 1 }',
      'README.md': 'not a module',
    })
    // Nobody listens there: the start does not wait for it, and patience passes quickly here.
    const clock: Clock = {
      ...systemClock,
      setTimer: (callback, delayMs) => systemClock.setTimer(callback, delayMs / 10),
    }
    const part = new StreamsApps(
      {
        apps,
        data: await temporaryFolder(t),
        'bootstrap.servers': '127.0.0.1:1',
        settings: { from: 'said' },
      },
      { clock },
    )
    t.after(() => part.stop())
    const starting = part.start()
    await part.stop()
    await starting
    const items = part.vitals().items
    assert.deepEqual(items.map(({ name, state }) => [name, state]).slice(0, 2), [
      ['broken.ts', 'failed'],
      ['other.js', 'failed'],
    ])
    assert.match(items[0]?.note ?? '', /broken\.ts: nobody wrote this/)
    assert.match(items[1]?.note ?? '', /defineStreams/)
    assert.equal(items[2]?.name, 'shout')
    assert.deepEqual(items[2]?.from, ['said'])
    assert.deepEqual(items[2]?.to, ['shouted'])
    assert.match(part.describe().shout ?? '', /Sink: KSTREAM-SINK-0000000002 \(topic: shouted\)/)
    assert.match(
      part.metrics(),
      /kafka_stream_alive_stream_threads\{application_id="shout",client_id="shout-[0-9a-f-]+"\} 0/,
    )
  })

  it('is refused where it does not exist', async (t) => {
    const data = await temporaryFolder(t)
    const part = new StreamsApps({ apps: path.join(data, 'nowhere'), data })
    await assert.rejects(part.start(), { code: 'STREAMS_APPLICATION_INVALID' })
  })
})

describe('settings', () => {
  const id = { 'application.id': 'app' }
  it('keep the names that Java gives them, and what is not supported is refused by name', () => {
    const refuse = (settings: object, message: RegExp): void => {
      assert.throws(() => resolveStreamsSettings({ ...id, ...settings }), { message })
    }
    refuse({ 'processing.guarantee': 'exactly_once' }, /exactly_once_v2/)
    refuse(
      { 'processing.guarantee': 'exactly_once_v2', 'commit.interval.ms': 30_000 },
      /transaction\.timeout\.ms: 10000 ms are not longer/,
    )
    const interval = (guarantee: 'at_least_once' | 'exactly_once_v2'): number =>
      resolveStreamsSettings({ ...id, 'processing.guarantee': guarantee })['commit.interval.ms']
    assert.equal(interval('at_least_once'), 30_000)
    assert.equal(interval('exactly_once_v2'), 100)
    refuse({ 'num.standby.replicas': 1 }, /num\.standby\.replicas: not supported yet/)
    refuse({ 'comit.interval.ms': 1 }, /did you mean commit\.interval\.ms/)
    refuse({ 'processing.exception.handler': 'ignore' }, /processing\.exception\.handler/)
    const java = 'org.apache.kafka.streams.errors.LogAndContinueExceptionHandler'
    const resolved = resolveStreamsSettings({ ...id, 'deserialization.exception.handler': java })
    assert.equal(resolved['commit.interval.ms'], 30_000)
    refuse({ 'state.dir': '/tmp/kafka-streams' }, /state\.dir: .*give it as `data`/)
    refuse({ 'task.timeout.ms': 1 }, /task\.timeout\.ms: not supported yet/)
  })

  it('of the clients and topics below have Java’s prefixes', () => {
    const refuse = (settings: object, message: RegExp): void => {
      assert.throws(() => resolveStreamsSettings({ ...id, ...settings }), { message })
    }
    refuse(
      { 'consumer.max.pol.records': 5 },
      /consumer\.max\.pol\.records: unknown setting; did you mean max\.poll\.records/,
    )
    refuse({ 'producer.linger.ms': 'soon' }, /options: producer\.linger\.ms: /)
    refuse({ 'producer.acks': '1' }, /producer\.acks: is set by the library/)
    refuse({ 'main.consumer.group.id': 'x' }, /main\.consumer\.group\.id: is set by the library/)
    const settings = resolveStreamsSettings({
      ...id,
      'consumer.max.poll.records': 5,
      'main.consumer.max.poll.records': 6,
      'consumer.metadata.max.age.ms': 7,
      'producer.max.request.size': '8',
      'topic.min.insync.replicas': 2,
    })
    assert.equal(consumerSettings(settings)['max.poll.records'], 6)
    assert.deepEqual(consumerClientSettings(settings), { 'metadata.max.age.ms': 7 })
    assert.deepEqual(producerSettings(settings), { 'max.request.size': '8' })
    assert.deepEqual(topicSettings(settings), { 'min.insync.replicas': '2' })
  })
})

describe('a function that throws', () => {
  const build = (): StreamsBuilder => {
    const builder = new StreamsBuilder<DefaultSerdes>()
    const stream = builder.stream('in', { keySerde: serdes.string, valueSerde: serdes.string })
    stream
      .mapValues((value) => {
        if (value === 'bad') throw new RangeError('not that')
        return value
      })
      .to('out')
    stream.to('copy')
    return builder
  }
  const defaults = { 'default.value.serde': serdes.string, 'default.key.serde': serdes.string }

  it('ends the application unless the handler goes on', () => {
    const driver = new TopologyTestDriver(build().build(), { settings: defaults })
    const input = driver.createInputTopic<string, string>('in', serdes.string, serdes.string)
    assert.throws(() => input.pipe('k', 'bad', 1), {
      code: 'STREAMS_PROCESSING_FAILED',
      message: /KSTREAM-MAPVALUES-0000000001, task 0_0, record in\/0@0/,
    })
    driver.close()
  })

  it('costs only what follows it where the handler goes on', () => {
    const seen: string[] = []
    const driver = new TopologyTestDriver(build().build(), {
      settings: {
        ...defaults,
        'errors.dead.letter.queue.topic.name': 'dead',
        'processing.exception.handler': ({ stage, nodeName, error }) => {
          seen.push(`${stage} ${nodeName} ${(error.cause as Error).message}`)
          return 'continue'
        },
      },
    })
    const input = driver.createInputTopic<string, string>('in', serdes.string, serdes.string)
    input.pipe('k', 'bad', 1)
    input.pipe('k', 'good', 2)
    const values = (topic: string): string[] =>
      driver
        .createOutputTopic<string, string>(topic, serdes.string, serdes.string)
        .readAll()
        .map(({ value }) => value)
    assert.deepEqual(values('out'), ['good'])
    assert.deepEqual(values('copy'), ['bad', 'good'])
    assert.deepEqual(values('dead'), ['bad'])
    assert.deepEqual(seen, ['processing KSTREAM-MAPVALUES-0000000001 not that'])
    driver.close()
  })
})

describe('a definition', () => {
  it('gets the settings of the pipeline and builds its topology anew each time', () => {
    const definition = defineStreams({ 'application.id': 'app' }, (builder, settings) => {
      builder
        .stream(String(settings.topic), { keySerde: serdes.string, valueSerde: serdes.string })
        .to('out')
    })
    assert.match(definition.build({ topic: 'a' }).describe(), /topics: \[a\]/)
    assert.match(definition.build({ topic: 'b' }).describe(), /topics: \[b\]/)
  })
})
