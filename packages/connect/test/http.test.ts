import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { describe, test } from 'node:test'
import { eventually } from '@khlong/core/testing'
import { startHttpTarget } from './helpers/http-target.ts'
import { startWorker, type TestWorker } from './helpers/worker.ts'

const aiven = 'io.aiven.kafka.connect.http.HttpSinkConnector'
const confluent = 'io.confluent.connect.http.HttpSinkConnector'
const dead = {
  'errors.tolerance': 'all',
  'errors.deadletterqueue.topic.name': 'dead',
}

describe('the HTTP sink', () => {
  test('one request for each record, as Aiven’s connector is configured', async (t) => {
    const target = await startHttpTarget(t)
    const { kafka, create } = await startWorker(t)
    kafka.put('t1', '{"n":1}', '{"n":2}')
    await create('h', {
      'connector.class': aiven,
      topics: 't1',
      'http.url': `${target.url}/in`,
      'http.authorization.type': 'static',
      'http.headers.authorization': 'Bearer secret',
      'http.headers.content.type': 'application/json',
      'http.headers.additional': 'x-a: b,x-c: d',
    })
    await eventually(() => assert.equal(target.requests.length, 2))
    const [first] = target.requests
    assert.deepEqual(
      target.requests.map(({ body }) => String(body)),
      ['{"n":1}', '{"n":2}'],
    )
    assert.deepEqual(
      [first?.method, first?.url, first?.headers.authorization, first?.headers['x-c']],
      ['POST', '/in', 'Bearer secret', 'd'],
    )
    assert.equal(first?.headers['content-type'], 'application/json')
  })

  test('many in one request, as Confluent’s connector is configured, and the topic in the URL', async (t) => {
    const target = await startHttpTarget(t)
    const { kafka, create } = await startWorker(t)
    kafka.put('a b', '{"n":1}', '{"n":2}', null, '{"n":3}')
    await create('h', {
      'connector.class': confluent,
      topics: 'a b',
      'http.api.url': `${target.url}/$\{topic}`,
      'request.method': 'PUT',
      'auth.type': 'BASIC',
      'connection.user': 'u',
      'connection.password': 'p',
      'batch.max.size': '10',
      'batch.json.as.array': 'true',
    })
    await eventually(() => assert.equal(target.requests.length, 1))
    const [first] = target.requests
    assert.deepEqual(
      [first?.method, first?.url, String(first?.body), first?.headers.authorization],
      ['PUT', '/a%20b', '[{"n":1},{"n":2},{"n":3}]', 'Basic dTpw'],
    )
  })

  test('a target that is away or busy gets the same records again, one that refuses makes dead letters', async (t) => {
    const target = await startHttpTarget(t)
    const { kafka, create, reach } = await startWorker(t)
    target.answers.push({ status: 503 }, { status: 429 }, { status: 422, body: 'no' })
    kafka.put('t1', '{"n":1}', '{"n":2}')
    await create('h', { 'connector.class': aiven, topics: 't1', 'http.url': target.url, ...dead })
    await kafka.waitFor('dead', 1)
    await eventually(() => assert.equal(target.requests.length, 4))
    assert.deepEqual(
      target.requests.map(({ body }) => String(body)),
      ['{"n":1}', '{"n":1}', '{"n":1}', '{"n":2}'],
    )
    target.answers.push({ status: 401 })
    kafka.put('t1', '{"n":3}')
    const { trace } = await reach('h', 'FAILED')
    assert.match(trace ?? '', /answered with status 401/)
  })

  test('an option that is not known is refused with the nearest', async (t) => {
    const { call } = await startWorker(t)
    const config = { 'connector.class': aiven, topics: 't', 'http.ur': 'http://x' }
    const { status, body } = await call('POST', '/connectors', { name: 'h', config })
    assert.equal(status, 400)
    assert.match(JSON.stringify(body), /http\.ur; did you mean http\.url\?/)
  })
})

describe('the HTTP source', () => {
  test('asks with the offset of what came last, and goes on there after a new beginning', async (t) => {
    const target = await startHttpTarget(t)
    const { kafka, create, call } = await startWorker(t)
    target.answers.push(
      { status: 503 },
      {
        status: 200,
        body: '{"data":[{"id":"a","at":"2026-01-31T08:00:00Z","v":{"n":1}},{"id":"b","v":{"n":2}}]}',
      },
      { status: 200, body: '{"data":[]}' },
    )
    await create('s', {
      'connector.class': 'com.github.castorm.kafka.connect.http.HttpSourceConnector',
      'http.request.url': `${target.url}/items`,
      'http.request.params': 'since=$' + '{offset.key}&limit=2',
      'http.request.headers': 'x-a:b',
      'http.offset.initial': 'key=none',
      'http.response.list.pointer': '/data',
      'http.response.record.pointer': '/v',
      'http.response.record.offset.pointer': 'key=/id,timestamp=/at',
      'http.timer.interval.millis': '20',
      'http.timer.catchup.interval.millis': '20',
      'kafka.topic': 'items',
    })
    const records = await kafka.waitFor('items', 2)
    assert.deepEqual(
      records.map(({ key, value }) => [String(key), String(value)]),
      [
        ['a', '{"n":1}'],
        ['b', '{"n":2}'],
      ],
    )
    assert.equal(records[0]?.timestamp, Date.parse('2026-01-31T08:00:00Z'))
    await eventually(() => assert.ok(target.requests.length > 3))
    const [first, , third] = target.requests
    assert.equal(first?.url, '/items?since=none&limit=2')
    assert.equal(third?.url, '/items?since=b&limit=2')
    await kafka.waitFor('connect-offsets', 1)
    await call('POST', '/connectors/s/restart?includeTasks=true')
    const before = target.requests.length
    await eventually(() => assert.ok(target.requests.length > before + 1))
    assert.equal(target.requests.at(-1)?.url, '/items?since=b&limit=2')
  })
})

describe('the webhook source', () => {
  const start = async (
    worker: TestWorker,
    config: Record<string, string> = {},
  ): Promise<string> => {
    const { freePort } = await import('../../../tools/real-engines.ts')
    const listen = `127.0.0.1:${await freePort()}`
    await worker.create('w', {
      'connector.class': 'WebhookSource',
      'webhook.listen': listen,
      'webhook.path': '/hook',
      'kafka.topic': 'hooks',
      'value.converter': 'org.apache.kafka.connect.converters.ByteArrayConverter',
      ...config,
    })
    await worker.worker.settled()
    return `http://${listen}/hook`
  }
  const post = (url: string, body: string, headers: Record<string, string> = {}) =>
    fetch(url, { method: 'POST', body, headers })

  test('a request is answered when its record is durable, with key and headers', async (t) => {
    const worker = await startWorker(t)
    const { kafka } = worker
    const url = await start(worker, {
      'webhook.key.header': 'x-device',
      'webhook.headers': 'x-device,content-type',
    })
    const gate = Promise.withResolvers<void>()
    kafka.gate = gate.promise
    const answering = post(url, '{"n":1}', { 'x-device': 'd1' })
    let isAnswered = false
    void answering.then(() => {
      isAnswered = true
    })
    const other = await fetch(url)
    assert.equal(other.status, 405)
    assert.equal(isAnswered, false)
    gate.resolve()
    assert.equal((await answering).status, 200)
    const [record] = kafka.records('hooks')
    assert.deepEqual([String(record?.key), String(record?.value)], ['d1', '{"n":1}'])
    assert.ok(
      record?.headers.some(([name, value]) => name === 'x-device' && String(value) === 'd1'),
    )
  })

  test('a token and signatures are asked for, and what is too large is refused', async (t) => {
    const worker = await startWorker(t)
    const url = await start(worker, {
      'webhook.token': 'tok',
      'webhook.signature.secret': 'sec',
      'webhook.body.bytes.max': '20',
    })
    const authorization = 'Bearer tok'
    const signed = (body: string): string =>
      `sha256=${createHmac('sha256', 'sec').update(body).digest('hex')}`
    assert.equal((await post(url, '{}')).status, 401)
    assert.equal((await post(url, '{}', { authorization: 'Bearer no' })).status, 401)
    assert.equal((await post(url, '{}', { authorization })).status, 401)
    const good = { authorization, 'x-hub-signature-256': signed('{}') }
    assert.equal((await post(url, '{}', good)).status, 200)
    assert.equal((await post(url, 'x'.repeat(21), { authorization })).status, 413)
    assert.equal((await fetch(url.replace('/hook', '/else'), { method: 'POST' })).status, 404)
    assert.equal(worker.kafka.records('hooks').length, 1)
  })

  test('what is beyond the bytes on their way is told to come again', async (t) => {
    const worker = await startWorker(t)
    const { kafka } = worker
    const url = await start(worker, { 'webhook.inflight.bytes': '10' })
    const gate = Promise.withResolvers<void>()
    kafka.gate = gate.promise
    const first = post(url, '12345678')
    let refused: Response | undefined
    await eventually(async () => {
      refused = await post(url, '12345678', { connection: 'close' })
      assert.equal(refused.status, 503)
    })
    assert.equal(refused?.headers.get('retry-after'), '1')
    gate.resolve()
    assert.equal((await first).status, 200)
  })

  test('off loopback it wants a token', async (t) => {
    const { call } = await startWorker(t)
    const { body } = await call('POST', '/connectors', {
      name: 'w',
      config: {
        'connector.class': 'WebhookSource',
        'webhook.listen': '0.0.0.0:9',
        'kafka.topic': 't',
      },
    })
    assert.match(JSON.stringify(body), /0\.0\.0\.0 is not loopback: set webhook\.token/)
  })
})
