import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import test from 'node:test'
import { newToken, silentLogger } from '@khlong/core'
import { AccessStore } from '@khlong/core/access'
import { eventually, FakeClock, SeededRandom, temporaryFolder } from '@khlong/core/testing'
import type { Notification } from '../../src/alertmanager/notification.ts'
import { Notifier } from '../../src/alertmanager/notifier.ts'
import { NotificationLog } from '../../src/alertmanager/state/notification-log.ts'
import { PrometheusServer } from '../../src/index.ts'
import { startAlertmanager, startWebhook } from './helpers.ts'

const route = (webhook: string): string => `
route: { receiver: web, group_wait: 0s, group_interval: 100ms }
receivers: [{ name: web, webhook_configs: [{ url: '${webhook}' }] }]
`
const always = `groups: [{ name: g, interval: 100ms, rules: [{ alert: Always, expr: vector(1) }] }]`
const alerting = `
rule_files: [rules.yml]
alerting: { alertmanagers: [{ static_configs: [{ targets: ['alertmanager:9093'] }] }] }
`

async function folderWith(
  t: Parameters<typeof temporaryFolder>[0],
  webhook: string,
): Promise<string> {
  const folder = await temporaryFolder(t)
  await mkdir(folder, { recursive: true })
  await writeFile(path.join(folder, 'prometheus.yml'), alerting)
  await writeFile(path.join(folder, 'rules.yml'), always)
  await writeFile(path.join(folder, 'alertmanager.yml'), route(webhook))
  return folder
}

test('one key puts another Alertmanager in the place of the one beside', async (t) => {
  const webhook = await startWebhook(t)
  const elsewhere = await startAlertmanager(t, route(webhook.url))
  const folder = await folderWith(t, 'http://127.0.0.1:9')
  const server = new PrometheusServer({
    listen: 0,
    data: path.join(folder, 'data'),
    'config.file': path.join(folder, 'prometheus.yml'),
    'alertmanager.config.file': path.join(folder, 'alertmanager.yml'),
    'alertmanager.url': elsewhere.url,
  })
  await server.start()
  t.after(() => server.stop())
  await eventually(() => assert.equal(webhook.requests.length, 1))
  assert.equal(server.addresses.alertmanager, undefined)
  const known = await (await fetch(`http://${server.addresses.http}/api/v1/alertmanagers`)).json()
  assert.deepEqual((known as { data: { activeAlertmanagers: unknown } }).data.activeAlertmanagers, [
    { url: `${elsewhere.url}/api/v2/alerts` },
  ])
})

test('where people must log in, the Alertmanager asks too, and Prometheus is let in by the token of the run', async (t) => {
  const webhook = await startWebhook(t)
  const folder = await folderWith(t, webhook.url)
  const access = path.join(folder, 'access')
  const scrypt = { cost: 16, blockSize: 1, parallelization: 1 }
  const store = new AccessStore({ folder: access, scrypt })
  await store.addFirstAdministrator({ name: 'ada', password: 'correct horse' })
  await store.addUser({ name: 'vera', role: 'viewer', password: 'correct horse' })
  const server = new PrometheusServer({
    listen: 0,
    data: path.join(folder, 'data'),
    'config.file': path.join(folder, 'prometheus.yml'),
    'alertmanager.config.file': path.join(folder, 'alertmanager.yml'),
    'alertmanager.listen': 0,
    access,
    'access.required': true,
    'access.token': newToken(),
  })
  await server.start()
  t.after(() => server.stop())
  await eventually(() => assert.equal(webhook.requests.length, 1))
  const url = `http://${server.addresses.alertmanager}`
  const basic = (name: string) => ({
    authorization: `Basic ${Buffer.from(`${name}:correct horse`).toString('base64')}`,
  })
  const ask = async (path: string, init: RequestInit = {}) => (await fetch(url + path, init)).status
  assert.equal(await ask('/api/v2/alerts'), 401)
  assert.equal(await ask('/api/v2/alerts', { headers: basic('vera') }), 200)
  assert.equal(await ask('/-/test-receiver', { method: 'POST', headers: basic('vera') }), 403)
  assert.equal(await ask('/-/test-receiver', { method: 'POST', headers: basic('ada') }), 200)
})

test('what is told again, because writing it down failed, has the same id', async () => {
  const told: Notification[] = []
  let writes = 0
  const notifier = new Notifier({
    log: new NotificationLog(),
    write: async () => {
      writes++
    },
    externalUrl: () => 'http://alertmanager',
    clock: new FakeClock(),
    random: new SeededRandom(1),
    logger: silentLogger,
  })
  const integration = {
    kind: 'webhook',
    index: 0,
    sendResolved: true,
    notify: async (notification: Notification) => {
      told.push(notification)
    },
  }
  const alert = {
    fingerprint: 'f',
    labels: { alertname: 'Hot' },
    annotations: {},
    startsAtMs: 0,
    endsAtMs: undefined,
    updatedAtMs: 0,
    generatorUrl: '',
    isTimeout: false,
    status: 'firing' as const,
  }
  const telling = {
    receiver: 'web',
    groupKey: '{}:{}',
    groupLabels: {},
    alerts: [alert],
    repeatIntervalMs: 3_600_000,
    deadlineMs: Number.MAX_SAFE_INTEGER,
  }
  assert.equal(await notifier.tell(integration, telling), true)
  assert.equal(await notifier.tell(integration, telling), true)
  assert.deepEqual([told.length, writes], [1, 1])
  // A process that died before it could write knows nothing of the first time.
  const after = new Notifier({
    log: new NotificationLog(),
    write: async () => {},
    externalUrl: () => 'http://alertmanager',
    clock: new FakeClock(1_800_000_000_000),
    random: new SeededRandom(2),
    logger: silentLogger,
  })
  await after.tell(integration, telling)
  assert.equal(told[1]?.id, told[0]?.id)
  assert.match(
    String(told[0]?.id),
    /^[\da-f]{8}-[\da-f]{4}-8[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/,
  )
})

test('whatever is posted, the API answers and goes on', async (t) => {
  const { url, post } = await startAlertmanager(t, route('http://127.0.0.1:9'))
  const bodies = [
    '',
    '{',
    'null',
    '[null]',
    '[[]]',
    '[{"labels": 1}]',
    '[{"labels": {"a": 1}}]',
    '[{"labels": {"__proto__": "x", "constructor": "y"}}]',
    `[{"labels": {"a": "${'x'.repeat(100_000)}"}}]`,
    '[{"labels": {"a": "b"}, "startsAt": "tomorrow"}]',
    '{"matchers": [{"name": "a", "value": "(", "isRegex": true}], "startsAt": "2026-01-01T00:00:00Z", "endsAt": "2126-01-01T00:00:00Z", "createdBy": "x", "comment": "y"}',
  ]
  for (const path of ['/api/v2/alerts', '/api/v2/silences', '/-/test-receiver'])
    for (const body of bodies) {
      const response = await fetch(url + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      })
      assert.ok(response.status < 500, `${path} ${body.slice(0, 60)}: ${response.status}`)
      await response.arrayBuffer()
    }
  assert.equal((await post('/api/v2/alerts', [{ labels: { alertname: 'x' } }])).status, 200)
})
