import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { silentLogger } from '@khlong/core'
import { KafkaClientError } from '@khlong/kafka-client'
import {
  type ErrorContext,
  type ExceptionHandler,
  type Processor,
  StreamsBuilder,
  type StreamsSettings,
  serdes,
  TopologyTestDriver,
} from '../src/index.ts'
import { failingHandlers } from '../src/runtime/error-handlers.ts'
import { RefusedRecords } from '../src/runtime/refused-records.ts'
import { newTaskCounts } from '../src/runtime/task.ts'

const text = { keySerde: serdes.string, valueSerde: serdes.string }
const bytes = [serdes.bytes, serdes.bytes] as const

/** Three operators that look on, and one that fails at `bad`. */
function failing(settings: Partial<StreamsSettings>): TopologyTestDriver {
  const builder = new StreamsBuilder()
  builder
    .stream('in', text)
    .peek(() => {})
    .peek(() => {})
    .mapValues((value) => {
      if (value === 'bad') throw new RangeError('out of range')
      return value
    })
    .to('out', text)
  return new TopologyTestDriver(builder.build(), { settings })
}

const dead = 'errors.dead.letter.queue.topic.name'
const processing = 'processing.exception.handler'

describe('a dead letter', () => {
  it('has the headers of Java, in its order, behind those of the record [KIP-1034]', () => {
    const driver = failing({ [processing]: 'log-and-continue', [dead]: 'dead' })
    const own = ['own', Buffer.from('x')] as const
    driver.createInputTopic('in', serdes.string, serdes.string).pipe('k', 'bad', 7, [own])
    const [letter] = driver.createOutputTopic<Buffer, Buffer>('dead', ...bytes).readAll()
    assert.ok(letter)
    assert.equal(`${letter.key} ${letter.value} ${letter.timestampMs}`, 'k bad 7')
    assert.deepEqual(
      letter.headers.map(([key, value]) => [key, String(value).split('\n', 1)[0]]),
      [
        ['own', 'x'],
        ['__streams.errors.exception', 'RangeError'],
        ['__streams.errors.message', 'out of range'],
        ['__streams.errors.stacktrace', 'RangeError: out of range'],
        ['__streams.errors.topic', 'in'],
        ['__streams.errors.partition', '0'],
        ['__streams.errors.offset', '0'],
      ],
    )
  })

  it('may be a handler’s own: then no other is sent', () => {
    const handler: ExceptionHandler = ({ error, record }) => ({
      response: 'continue',
      deadLetters: [
        {
          topic: 'sorted-out',
          key: record.rawKey,
          value: Buffer.from(String((error.cause as Error).message)),
          headers: [['kind', Buffer.from('poison')]],
          timestampMs: 9,
        },
      ],
    })
    const driver = failing({ [processing]: handler, [dead]: 'dead' })
    driver.createInputTopic('in', serdes.string, serdes.string).pipe('k', 'bad', 7)
    assert.deepEqual(
      driver.createOutputTopic('sorted-out', serdes.string, serdes.string).readAll(),
      [
        {
          key: 'k',
          value: 'out of range',
          timestampMs: 9,
          headers: [['kind', Buffer.from('poison')]],
        },
      ],
    )
    assert.equal(driver.createOutputTopic('dead', ...bytes).size, 0)
    assert.equal(driver.counts.deadLetters, 1)
  })
})

describe('a global table', () => {
  it('has no dead letters, and counts none', () => {
    const builder = new StreamsBuilder()
    const table = builder.globalTable('table', { keySerde: serdes.string, valueSerde: serdes.long })
    builder
      .stream('in', text)
      .join(
        table,
        (key) => key,
        (value) => value,
      )
      .to('out', text)
    const driver = new TopologyTestDriver(builder.build(), {
      settings: { 'deserialization.exception.handler': 'log-and-continue', [dead]: 'dead' },
    })
    driver.createInputTopic('table', serdes.string, serdes.string).pipe('k', 'no long')
    assert.equal(driver.counts.dropped.error, 1)
    assert.equal(driver.counts.deadLetters, 0)
  })
})

describe('an exception handler', () => {
  it('that throws is asked once, and ends the application with its own error', () => {
    let calls = 0
    const handler: ExceptionHandler = () => {
      calls++
      throw new Error('the handler is broken')
    }
    const driver = failing({ [processing]: handler })
    assert.throws(
      () => driver.createInputTopic('in', serdes.string, serdes.string).pipe('k', 'bad', 0),
      (error: Error & { code?: string }) =>
        error.code === 'STREAMS_HANDLER_FAILED' &&
        /the processing exception handler threw: .*KSTREAM-MAPVALUES/.test(error.message) &&
        (error.cause as Error).message === 'the handler is broken',
    )
    assert.equal(calls, 1)
  })

  it('that gives no answer leaves nothing out: the application ends', () => {
    const handler = (() => {}) as unknown as ExceptionHandler
    const driver = failing({ [processing]: handler })
    assert.throws(
      () => driver.createInputTopic('in', serdes.string, serdes.string).pipe('k', 'bad', 0),
      { code: 'STREAMS_HANDLER_FAILED', message: /answered undefined/ },
    )
  })

  it('is asked about a punctuator, which works on no record', () => {
    const seen: ErrorContext[] = []
    const handler: ExceptionHandler = (context) => {
      seen.push({ ...context, record: { ...context.record, headers: context.record.headers } })
      return 'continue'
    }
    const builder = new StreamsBuilder()
    const processor = (): Processor<string, string, string, string> => ({
      init(context) {
        context.schedule(10, 'wall-clock-time', () => {
          throw new Error('at the wrong time')
        })
      },
      process() {},
    })
    builder.stream('in', text).process(processor)
    const driver = new TopologyTestDriver(builder.build(), {
      settings: { [processing]: handler, [dead]: 'dead' },
      initialWallClockMs: 0,
    })
    const header = ['own', Buffer.from('x')] as const
    driver.createInputTopic('in', serdes.string, serdes.string).pipe('k', 'v', 5, [header])
    driver.advanceWallClock(10)
    const [context] = seen
    assert.match(String(context?.error.message), /a punctuator of KSTREAM-PROCESSOR-\d+, task 0_0/)
    assert.deepEqual(context?.record.headers, [])
    assert.equal(context?.record.topic, '')
    assert.equal(context?.record.offset, -1)
    const [letter] = driver.createOutputTopic<Buffer, Buffer>('dead', ...bytes).readAll()
    const headers = new Map(letter?.headers)
    assert.equal(letter?.key, null)
    assert.equal(headers.get('__streams.errors.topic'), null)
    assert.equal(String(headers.get('__streams.errors.offset')), '-1')
  })
})

describe('a record that a broker refused after it was sent', () => {
  const place = {
    ...{ taskId: '0_1', nodeName: 'KSTREAM-SINK-0000000002' },
    ...{ topic: 'in', partition: 1, offset: 7, timestampMs: 5 },
  }
  const refusal = (name: string): Error => new KafkaClientError(`KAFKA_${name}`, 'refused')

  it('is no matter for a handler where the next one would be refused, too, as in Java', () => {
    let asked = 0
    const refused = new RefusedRecords({
      ...{ applicationId: 'app', counts: newTaskCounts(), logger: silentLogger },
      errors: {
        ...failingHandlers,
        production: () => {
          asked++
          return 'continue'
        },
      },
      send: () => undefined,
    })
    for (const name of ['TOPIC_AUTHORIZATION_FAILED', 'INVALID_TOPIC_EXCEPTION'])
      assert.throws(() => refused.judge('out', refusal(name), place), {
        code: 'STREAMS_PRODUCTION_FAILED',
        message: /topic out .* KSTREAM-SINK-0000000002, task 0_1, record in\/1@7$/,
      })
    assert.equal(asked, 0)
    refused.judge('out', refusal('MESSAGE_TOO_LARGE'), place)
    assert.equal(asked, 1)
  })
})
