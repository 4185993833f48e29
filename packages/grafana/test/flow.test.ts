import assert from 'node:assert/strict'
import test from 'node:test'
import { FlowRates } from '../src/model/flow-rates.ts'
import { healthOf } from '../src/model/health.ts'
import { accountOf, connectorKind, flowOf } from '../web/places/flow/flow-model.ts'
import { startFakePlatform } from './fake-platform.ts'

test('the canal is drawn from the snapshot: nodes, edges as wide as their rate, topics in order', async (t) => {
  const platform = await startFakePlatform({ tickMs: 0, framesPerSecond: 100, deadLetters: 2 })
  t.after(() => platform[Symbol.asyncDispose]())
  const rates = new FlowRates()
  for (let second = 0; second < 3; second++) {
    rates.apply(platform.snapshot(), second * 1000)
    platform.advance(1_000)
  }
  rates.apply(platform.snapshot(), 3_000)
  const flow = flowOf(platform.snapshot(), rates)
  assert.deepEqual(flow.nodes.map(({ id }) => id).sort(), [
    'grafana',
    'kafka',
    'mongodb',
    'mongodbSink',
    'mqtt',
    'mqttSource',
    'prometheus',
    'prometheusSink',
    'sensors',
    'streams',
  ])
  const edge = flow.edges.find(({ from, to }) => from === 'sensors' && to === 'mqtt')
  assert.equal(edge?.perSecond, 100)
  assert.equal(flow.edges.find(({ kind }) => kind === 'dead')?.topic, 'iot-frames-dead-letters')
  assert.deepEqual(
    flow.topics.map(({ name }) => name),
    [
      'iot-frames',
      'iot-aggregate-metrics-place',
      'iot-aggregate-metrics-sensor',
      'iot-metrics-time-series',
      'iot-frames-dead-letters',
    ],
  )
})

test('commands go back to MQTT, and their answers are no frames', async (t) => {
  const platform = await startFakePlatform({ tickMs: 0, framesPerSecond: 100 })
  t.after(() => platform[Symbol.asyncDispose]())
  const withCommands = () => {
    const snapshot = platform.snapshot()
    const parts = snapshot.parts.map((part) => {
      if (part.name !== 'connect' || !part.vitals) return part
      const common = { kind: 'connector', state: 'running', recordsIn: 0, recordsOut: 0 } as const
      const items = [
        {
          ...common,
          name: 'acks',
          from: ['mqtt:devices/+/commands/ack'],
          to: ['iot-command-acks'],
        },
        { ...common, name: 'commands', from: ['iot-commands'], to: ['mqtt:devices'] },
        ...part.vitals.items,
      ]
      return { ...part, vitals: { ...part.vitals, items } }
    })
    return { ...snapshot, parts }
  }
  const rates = new FlowRates()
  rates.apply(withCommands(), 0)
  platform.advance(1_000)
  rates.apply(withCommands(), 1_000)
  const { edges } = flowOf(withCommands(), rates)
  assert.equal(new Set(edges.map(({ id }) => id)).size, edges.length)
  const rate = (from: string, to: string): number | undefined =>
    edges.find((edge) => edge.from === from && edge.to === to)?.perSecond
  assert.equal(rate('mqtt', 'mqttSource'), 100)
  assert.equal(rate('mqttSink', 'mqtt'), 0)
  assert.equal(accountOf(withCommands(), rates)?.acknowledged, 280)
})

test('every frame is accounted for, and what waits is on the way', async (t) => {
  const platform = await startFakePlatform({
    tickMs: 0,
    framesPerSecond: 1_000,
    storedPerSecond: 0,
    deadLetters: 3,
  })
  t.after(() => platform[Symbol.asyncDispose]())
  const rates = new FlowRates()
  rates.apply(platform.snapshot(), 0)
  platform.advance(4_000)
  rates.apply(platform.snapshot(), 4_000)
  const account = accountOf(platform.snapshot(), rates)
  assert.deepEqual(account, {
    sent: 4_180,
    acknowledged: 4_180,
    inKafka: 4_177,
    deadLetters: 3,
    stored: 180,
    onWay: 3_997,
    unaccounted: 0,
  })
  assert.deepEqual(
    [healthOf(platform.snapshot()).kind, healthOf(platform.snapshot()).count],
    ['behind', 1],
  )
})

test('a count that went back begins a new rate', () => {
  const rates = new FlowRates()
  const at = (uptimeMs: number, recordsIn: number) => ({
    name: 'p',
    uptimeMs,
    parts: [
      { name: 'mqtt', status: 'ready', vitals: { recordsIn, recordsOut: 0, facts: {}, items: [] } },
    ],
  })
  rates.apply(at(1_000, 100), 0)
  rates.apply(at(2_000, 200), 0)
  assert.equal(rates.of('mqtt').inPerSecond, 100)
  rates.apply(at(3_000, 5), 0)
  rates.apply(at(4_000, 15), 0)
  assert.equal(rates.of('mqtt').inPerSecond, 10)
  assert.equal(rates.of('nobody').inPerSecond, 0)
})

test('connectors are told by what they read and write, and by their names', () => {
  assert.equal(connectorKind({ name: 'a', from: ['mqtt:iot-frames'], to: ['x'] }), 'mqttSource')
  assert.equal(connectorKind({ name: 'b', from: ['x'], to: ['mqtt:commands'] }), 'mqttSink')
  assert.deepEqual(
    [
      'mqtt-source',
      'iot-frames-mongodb-sink',
      'prometheus-connector-sink',
      'mqtt-commands-sink',
      'frames-to-file',
    ].map((name) => connectorKind({ name })),
    ['mqttSource', 'mongodbSink', 'prometheusSink', 'mqttSink', 'otherConnector'],
  )
})
