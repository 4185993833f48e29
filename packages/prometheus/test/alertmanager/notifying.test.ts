import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import test, { type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { eventually, temporaryFolder } from '@khlong/core/testing'
import { startTarget } from '../helpers.ts'
import { startSmtp, startWebhook, type WebhookServer } from './helpers.ts'

const scrapeMs = 100
const forMs = 300

interface Running {
  readonly child: ChildProcess
  readonly prometheus: string
  readonly alertmanager: string
}

async function start(t: TestContext, folder: string): Promise<Running> {
  const child = spawn(
    process.execPath,
    [fileURLToPath(new URL('serve.ts', import.meta.url)), folder],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  t.after(() => child.kill('SIGKILL'))
  const [line] = (await once(child.stdout!, 'data')) as [Buffer]
  const { http, alertmanager } = JSON.parse(line.toString()) as Record<string, string>
  return { child, prometheus: `http://${http}`, alertmanager: `http://${alertmanager}` }
}

async function kill({ child }: Running): Promise<void> {
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}

async function metric(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text()
  return Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1] ?? Number.NaN)
}

/** Resolved when it is on the disk that this many were told; before that a kill may have it told again. */
async function written(folder: string, count: number): Promise<void> {
  const journal = path.join(folder, 'data', 'alertmanager', 'alertmanager.journal')
  await eventually(async () =>
    assert.equal((await readFile(journal, 'utf8')).match(/"notification"/g)?.length, count),
  )
}

async function files(t: TestContext, targetAddress: string, receivers: string): Promise<string> {
  const folder = await temporaryFolder(t)
  await mkdir(path.join(folder, 'rules'))
  await writeFile(
    path.join(folder, 'prometheus.yml'),
    `
global: { scrape_interval: ${scrapeMs}ms, evaluation_interval: ${scrapeMs}ms, external_labels: { site: north } }
rule_files: [rules/*.yml]
alerting:
  alertmanagers:
    - static_configs: [{ targets: ['alertmanager:9093'] }]
scrape_configs: [{ job_name: iot, static_configs: [{ targets: ['${targetAddress}'] }] }]
`,
  )
  await writeFile(
    path.join(folder, 'rules/hot.yml'),
    `groups: [{ name: g, rules: [{ alert: Hot, expr: 't > 30', for: ${forMs}ms, annotations: { summary: 'It is {{ $value }} °C' } }] }]`,
  )
  await writeFile(
    path.join(folder, 'alertmanager.yml'),
    `
global: { resolve_timeout: 10m }
route: { receiver: people, group_by: [alertname], group_wait: 0s, group_interval: 100ms, repeat_interval: 1h }
receivers:
  - name: people
${receivers}
`,
  )
  return folder
}

const statuses = ({ requests }: WebhookServer): string[] => requests.map(({ body }) => body.status)

test('heat is told by webhook and mail, and its end, once each, through kills', async (t) => {
  let temperature = 20
  const target = await startTarget(t, () => `t ${temperature}\n`)
  const webhook = await startWebhook(t)
  const smtp = await startSmtp(t)
  const folder = await files(
    t,
    target,
    `    webhook_configs: [{ url: '${webhook.url}' }]
    email_configs: [{ to: ada@example.org, from: khlong@example.org, smarthost: '${smtp.address}', require_tls: false, send_resolved: true }]`,
  )
  const first = await start(t, folder)
  const query = `${first.prometheus}/api/v1/query?query=t`
  await eventually(async () => assert.match(await (await fetch(query)).text(), /"20"/))
  temperature = 40
  await eventually(() => assert.deepEqual(statuses(webhook), ['firing']))
  assert.equal(webhook.requests[0]?.body.commonAnnotations instanceof Object, true)
  assert.deepEqual(webhook.requests[0]?.body.commonLabels.site, 'north')
  await written(folder, 2)
  await kill(first)
  const second = await start(t, folder)
  await eventually(async () =>
    assert.ok((await metric(second.prometheus, 'prometheus_notifications_sent_total')) >= 2),
  )
  const told = webhook.requests.length
  temperature = 20
  await eventually(() => assert.equal(webhook.requests.length, told + 1))
  await eventually(() => assert.equal(smtp.mails.length, 2))
  await eventually(async () =>
    assert.ok((await metric(second.prometheus, 'prometheus_notifications_sent_total')) >= 5),
  )
  assert.deepEqual(statuses(webhook), ['firing', 'resolved'])
  assert.match(webhook.requests[1]!.body.alerts[0]!.annotations.summary!, /^It is 40 °C$/)
  assert.deepEqual(
    smtp.mails.map(({ text }) => /^Subject: (.*)$/m.exec(text)?.[1]),
    ['[FIRING:1] Hot (127.0.0.1 iot north)', '[RESOLVED] Hot (127.0.0.1 iot north)'].map((text) =>
      text.replace('127.0.0.1', target),
    ),
  )
  await kill(second)
})

test('what ends while nobody runs is told after the next start, and what was not told yet is told then', async (t) => {
  let exposed = 't{place="1"} 40\n'
  const target = await startTarget(t, () => exposed)
  const webhook = await startWebhook(t)
  const folder = await files(t, target, `    webhook_configs: [{ url: '${webhook.url}' }]`)
  webhook.status = 503
  const first = await start(t, folder)
  await eventually(async () => {
    const answer = await (await fetch(`${first.alertmanager}/-/test-receiver`)).text()
    assert.match(answer, /503/)
  })
  await kill(first)
  webhook.status = 200
  const second = await start(t, folder)
  await eventually(() => assert.deepEqual(statuses(webhook), ['firing']))
  await written(folder, 1)
  await kill(second)
  exposed = 't{place="1"} 20\n'
  const third = await start(t, folder)
  await eventually(() => assert.deepEqual(statuses(webhook), ['firing', 'resolved']))
  const [over] = webhook.requests[1]!.body.alerts
  assert.deepEqual([over?.labels.place, over?.annotations.summary], ['1', 'It is 40 °C'])
  await kill(third)
})

test('an alert that fires goes on firing after a restart, and one that waits goes on waiting', async (t) => {
  const target = await startTarget(t, () => 't 40\n')
  const webhook = await startWebhook(t)
  const folder = await files(t, target, `    webhook_configs: [{ url: '${webhook.url}' }]`)
  const first = await start(t, folder)
  type Found = { data: { alerts: { state: string; activeAt: string }[] } }
  const found = async ({ prometheus }: Running) =>
    ((await (await fetch(`${prometheus}/api/v1/alerts`)).json()) as Found).data.alerts[0]
  const before = await eventually(async () => {
    const alert = await found(first)
    assert.equal(alert?.state, 'firing')
    // That it fires is kept: one evaluation is stored before the next begins.
    const query = encodeURIComponent('count_over_time(ALERTS{alertstate="firing"}[5m])')
    const stored = await (await fetch(`${first.prometheus}/api/v1/query?query=${query}`)).json()
    const [sample] = (stored as { data: { result: { value: [number, string] }[] } }).data.result
    assert.ok(Number(sample?.value[1]) >= 2)
    return alert
  })
  await kill(first)
  const second = await start(t, folder)
  const after = await eventually(async () => {
    const alert = await found(second)
    assert.ok(alert)
    return alert
  })
  assert.deepEqual(after, { ...after, state: 'firing', activeAt: before.activeAt })
  await kill(second)
})
