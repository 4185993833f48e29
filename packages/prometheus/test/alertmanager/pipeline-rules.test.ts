import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { silentLogger, systemClock } from '@khlong/core'
import { temporaryFolder } from '@khlong/core/testing'
import { readAlertmanagerConfig } from '../../src/alertmanager/config.ts'
import { readConfig } from '../../src/config.ts'
import { Labels } from '../../src/labels.ts'
import { Engine } from '../../src/promql/engine.ts'
import { RuleGroup } from '../../src/rules/rule-group.ts'
import { Tsdb } from '../../src/storage/tsdb.ts'

const pipeline = (name: string): string =>
  fileURLToPath(new URL(`../../../../pipelines/iot/${name}`, import.meta.url))
const stepMs = 5_000
const startMs = Date.parse('2026-11-24T00:00:00Z')

type Exposed = Readonly<Record<string, number>>

/** What fires of the pipeline's rules, by the minute at which it first does, for what is exposed then. */
async function firing(
  t: TestContext,
  minutes: number,
  exposedAt: (minute: number) => Exposed,
): Promise<{ minute: number; summary: string }[]> {
  const tsdb = new Tsdb({
    folder: await temporaryFolder(t),
    retentionMs: 1e12,
    retentionBytes: 0,
    blockMs: 7_200_000,
    logger: silentLogger,
    clock: systemClock,
  })
  await tsdb.open()
  t.after(() => tsdb.close())
  const engine = new Engine(tsdb, {
    lookbackMs: 300_000,
    timeoutMs: 60_000,
    defaultStepMs: 15_000,
    maxSamples: 1e7,
  })
  const { ruleGroups } = await readConfig(pipeline('prometheus.yml'))
  const groups = ruleGroups.map((config) => new RuleGroup(config, stepMs))
  const told = new Map<string, { minute: number; summary: string }>()
  let before: Exposed = {}
  for (let timeMs = startMs; timeMs <= startMs + minutes * 60_000; timeMs += stepMs) {
    const minute = (timeMs - startMs) / 60_000
    const exposed = exposedAt(minute)
    const gone = Object.keys(before).filter((series) => !(series in exposed))
    before = exposed
    const labelsOf = (series: string): Labels => {
      const [, name = '', inside = ''] = /^(\w+)\{?(.*?)\}?$/.exec(series) ?? []
      const pairs = [...inside.matchAll(/(\w+)="(.*?)"/g)].map(([, key, value]) => [key, value])
      return Labels.from({ __name__: name, ...Object.fromEntries(pairs) })
    }
    await tsdb.append([
      ...Object.entries(exposed).map(([series, value]) => ({
        labels: labelsOf(series),
        timeMs,
        value,
      })),
      ...gone.map((series) => ({
        labels: labelsOf(series),
        timeMs,
        value: Number.NaN,
        stale: true,
      })),
    ])
    for (const group of groups)
      await group.evaluate(
        {
          engine,
          externalLabels: {},
          externalUrl: 'http://prometheus',
          store: async (samples) => {
            await tsdb.append(samples)
          },
          pastAlerts: async () => new Map(),
          notify: () => {},
        },
        timeMs,
      )
    for (const rule of groups.flatMap(({ rules }) => rules)) {
      assert.equal(rule.lastError, '')
      for (const alert of rule.activeAlerts) {
        const { summary = '', description } = alert.annotations
        if (alert.state !== 'firing' || told.has(alert.labels.key)) continue
        assert.ok(description)
        told.set(alert.labels.key, { minute: Math.round(minute * 10) / 10, summary })
      }
    }
  }
  return [...told.values()]
}

const temperature = (id: string, place: string): string =>
  `sample_sensor_metric_temperature{sensor_id="${id}",sensor_name="sensor_${id}",place_id="${place}"}`

test('heat of a sensor and of a place is told in words, and a calm pipeline tells nothing', async (t) => {
  const calm: Exposed = {
    [temperature('1', 'A')]: 21,
    [temperature('2', 'A')]: 23,
    'kafka_consumergroup_lag_sum{consumergroup="c",topic="t"}': 10,
    'khlong_streams_dead_letters_total{application_id="iot"}': 3,
    'node_filesystem_avail_bytes{mountpoint="/data"}': 50,
    'node_filesystem_size_bytes{mountpoint="/data"}': 100,
    'khlong_disk_used_bytes{folder="kafka"}': 50,
    'khlong_disk_used_bytes{folder="mongodb"}': 39,
    khlong_disk_limit_bytes: 100,
    khlong_sources_held: 0,
    'up{job="khlong",instance="mqtt"}': 1,
  }
  assert.deepEqual(await firing(t, 12, () => calm), [])
  const heated = await firing(t, 4, (minute) => ({
    ...calm,
    [temperature('1', 'A')]: minute < 1 ? 21 : 45.25,
  }))
  assert.deepEqual(heated, [
    { minute: 1.2, summary: 'sensor_1 (1) at place A has 45.2 °C' },
    {
      minute: 2,
      summary: 'Place A has 34.1 °C on average, more than 32 °C for a minute',
    },
  ])
})

test('a sensor that was there is missed when it is silent; one that only tried is not', async (t) => {
  const told = await firing(t, 8, (minute) => ({
    [temperature('1', 'A')]: 20,
    ...(minute < 5 ? { [temperature('2', 'A')]: 20 } : {}),
    ...(minute < 0.5 ? { [temperature('3', 'A')]: 20 } : {}),
  }))
  assert.deepEqual(told, [{ minute: 5.5, summary: 'sensor_2 (2) has sent nothing for a while' }])
})

test('dead letters, lag, a full disk and a target that is down are told', async (t) => {
  const told = await firing(t, 6, (minute) => ({
    'khlong_streams_dead_letters_total{application_id="iot"}': minute < 1 ? 0 : 12,
    'kafka_connect_task_error_deadletterqueue_produce_requests_total{connector="mqtt"}':
      minute < 1 ? 0 : 4,
    'kafka_consumergroup_lag_sum{consumergroup="c",topic="t"}': minute < 1 ? 0 : 4_000,
    'node_filesystem_avail_bytes{mountpoint="/data"}': minute < 1 ? 50 : 2.5,
    'node_filesystem_size_bytes{mountpoint="/data"}': 100,
    'khlong_disk_used_bytes{folder="kafka"}': 50,
    'khlong_disk_used_bytes{folder="mongodb"}': minute < 1 ? 39 : 51,
    khlong_disk_limit_bytes: 100,
    khlong_sources_held: minute < 1 ? 0 : 1,
    'up{job="khlong",instance="mqtt"}': minute < 1 ? 1 : 0,
  }))
  assert.deepEqual(
    told.map(({ summary }) => summary.replace(/use \d+/, 'use N')),
    [
      'mqtt could not use N records in the last 5 minutes',
      'iot could not use N frames in the last 5 minutes',
      'Sources wait: there is no room for what they send',
      'The disk with /data is full: 2.5 % left',
      'mqtt of khlong does not answer',
      'c is 4k records behind in t',
      'The data take 101 % of what they may',
    ],
  )
})

test("the pipeline's alertmanager.yml is one that tells nobody until somebody is written in", async () => {
  const { route, receivers } = await readAlertmanagerConfig(pipeline('alertmanager.yml'), {})
  assert.equal(route.receiver, 'people')
  assert.deepEqual(receivers.get('people')?.webhook_configs, [])
})
