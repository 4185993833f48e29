import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { silentLogger } from '@khlong/core'
import { eventually, FakeClock, SeededRandom } from '@khlong/core/testing'
import { stringConverter } from '../src/converters/simple.ts'
import { ConnectError } from '../src/errors.ts'
import { Conversion, ConversionFailure } from '../src/runtime/conversion.ts'
import { CounterTable } from '../src/runtime/metrics.ts'
import { Retries } from '../src/runtime/retries.ts'
import { startWorker } from './helpers/worker.ts'

const retriable = (): ConversionFailure =>
  new ConversionFailure(
    'VALUE_CONVERTER',
    'AvroConverter',
    new ConnectError('CONNECT_RETRIABLE', 'the schema registry is away'),
  )

function startRetries(timeoutMs: number, delayMsMax = 60_000) {
  const clock = new FakeClock()
  const counters = new CounterTable().of('c', 0)
  const random = new SeededRandom(1)
  return {
    clock,
    counters,
    retries: new Retries({ timeoutMs, delayMsMax, clock, random, counters }),
  }
}

/** Lets promises run that wait for nothing but each other. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('errors.retry', () => {
  test('an operation that fails in passing is tried again with doubled waits until it succeeds', async () => {
    const { clock, counters, retries } = startRetries(60_000)
    const startMs = clock.nowMs()
    const calls: number[] = []
    const done = retries.again(
      () => {
        calls.push(clock.nowMs() - startMs)
        if (calls.length < 4) throw retriable()
        return 'converted'
      },
      retriable(),
      new AbortController().signal,
    )
    for (let step = 0; step < 50; step++) {
      await turn()
      clock.advance(100)
    }
    assert.equal(await done, 'converted')
    assert.deepEqual(calls, [300, 900, 2_100, 4_500])
    assert.equal(counters.retries, 4)
  })

  test('after errors.retry.timeout the last failure counts; by default there is no second attempt', async () => {
    const limited = startRetries(1_000)
    let calls = 0
    const failed = assert.rejects(
      limited.retries.again(
        () => {
          calls++
          throw retriable()
        },
        retriable(),
        new AbortController().signal,
      ),
      { message: 'the schema registry is away' },
    )
    for (let step = 0; step < 30; step++) {
      await turn()
      limited.clock.advance(100)
    }
    await failed
    // 300 ms, 900 ms, and once more when the time is up.
    assert.equal(calls, 3)

    const never = startRetries(0)
    await assert.rejects(
      never.retries.again(() => assert.fail(), retriable(), new AbortController().signal),
    )
    assert.equal(never.counters.retries, 0)
  })

  test('what no repetition mends is not tried again', async () => {
    const { counters, retries } = startRetries(-1)
    const failure = new ConversionFailure(
      'TRANSFORMATION',
      'T',
      new ConnectError('CONNECT_DATA', 'no'),
    )
    await assert.rejects(
      retries.again(() => assert.fail(), failure, new AbortController().signal),
      failure,
    )
    assert.equal(counters.retries, 0)
  })

  test('no wait is longer than errors.retry.delay.max.ms, and a task that stops waits no more', async () => {
    const { clock, retries } = startRetries(-1, 500)
    const stopping = new AbortController()
    let calls = 0
    const failed = assert.rejects(
      retries.again(
        () => {
          calls++
          throw retriable()
        },
        retriable(),
        stopping.signal,
      ),
    )
    for (let step = 0; step < 100; step++) {
      await turn()
      clock.advance(100)
    }
    assert.ok(calls >= 19, `${calls} attempts in 10 s`)
    stopping.abort()
    await failed
  })
})

test('a failure says which converter or transform it was', () => {
  const converter = stringConverter.create({}, false)
  const conversion = new Conversion({
    keyConverter: converter,
    valueConverter: {
      ...converter,
      toConnect: () => {
        throw new ConnectError('CONNECT_DATA', 'not this one')
      },
    },
    headerConverter: { toConnect: () => assert.fail(), fromConnect: () => null },
    readsHeaders: false,
    converterNames: { key: 'K', value: 'V', header: 'H' },
    transforms: undefined,
  })
  const record = { topic: 't', partition: 0, offset: 0, timestamp: -1, key: null, headers: [] }
  assert.throws(() => conversion.forSink({ ...record, value: Buffer.from('x') }), {
    stage: 'VALUE_CONVERTER',
    className: 'V',
    message: 'not this one',
  })
})

describe('errors.log', () => {
  const sink = 'org.apache.kafka.connect.file.FileStreamSinkConnector'
  const run = async (t: Parameters<typeof startWorker>[0], errors: Record<string, unknown>) => {
    const logged: object[] = []
    const logger = {
      ...silentLogger,
      error: (fields: object, message?: string) => {
        if (message === 'record in error') logged.push(fields)
      },
    }
    const { create, kafka, folder, worker } = await startWorker(t, {}, { logger })
    kafka.put('t1', '{"good": 1}', 'bad')
    await create('f', { 'connector.class': sink, topics: 't1', file: `${folder}/o`, ...errors })
    await eventually(() =>
      assert.match(worker.metrics(), /task_error_total_record_errors_total\{[^}]*\} 1/),
    )
    return logged
  }

  test('a record in error is logged where that is asked for, with its place and never its payload', async (t) => {
    const tolerant = { 'errors.tolerance': 'all', 'errors.log.enable': true }
    const [fields] = await run(t, { ...tolerant, 'errors.log.include.messages': true })
    const { err, ...place } = fields as { err: Error; timestamp?: number }
    assert.deepEqual(place, {
      connector: 'f',
      task: 0,
      stage: 'VALUE_CONVERTER',
      class: 'org.apache.kafka.connect.json.JsonConverter',
      topic: 't1',
      partition: 0,
      offset: 1,
      timestamp: 1_769_846_400_000,
    })
    assert.ok(err)
  })

  test('the place is left out unless it is asked for, and an error that ends the task is logged too', async (t) => {
    const [fields] = await run(t, { 'errors.log.enable': true })
    assert.deepEqual(Object.keys(fields ?? {}), ['connector', 'task', 'stage', 'class', 'err'])
  })

  test('nothing is logged of a record where that is not asked for', async (t) => {
    assert.deepEqual(await run(t, { 'errors.tolerance': 'all' }), [])
  })
})
