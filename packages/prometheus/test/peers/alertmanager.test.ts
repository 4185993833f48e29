import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import test, { type TestContext } from 'node:test'
import { promisify } from 'node:util'
import { eventually, temporaryFolder } from '@khlong/core/testing'
import { peer } from '../../../../tools/peers.ts'
import { freePort } from '../../../../tools/real-engines.ts'
import {
  startAlertmanager,
  startSmtp,
  startWebhook,
  type WebhookServer,
} from '../alertmanager/helpers.ts'
import { startPrometheus, startTarget } from '../helpers.ts'

const run = promisify(execFile)

/** A real Alertmanager with the configuration given. */
async function startReal(t: TestContext, config: string): Promise<string> {
  const folder = await temporaryFolder(t)
  await mkdir(path.join(folder, 'data'))
  await writeFile(path.join(folder, 'alertmanager.yml'), config)
  const port = await freePort()
  const child = spawn(
    peer('alertmanager'),
    [
      `--config.file=${path.join(folder, 'alertmanager.yml')}`,
      `--storage.path=${path.join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--cluster.listen-address=',
    ],
    { stdio: 'ignore' },
  )
  t.after(async () => {
    const exited = once(child, 'exit')
    child.kill()
    await exited
  })
  const url = `http://127.0.0.1:${port}`
  await eventually(async () => assert.ok((await fetch(`${url}/-/ready`)).ok))
  return url
}

const config = (webhook: string, smtp: string): string => `
global: { resolve_timeout: 5m, smtp_smarthost: '${smtp}', smtp_from: khlong@example.org, smtp_require_tls: false }
route:
  receiver: default.team
  group_by: [alertname]
  group_wait: 300ms
  group_interval: 1s
  repeat_interval: 1h
  routes:
    - { receiver: log, matchers: ['severity=~"page|warn"', 'log!="no"'], continue: true, group_by: [severity] }
    - receiver: pages
      match: { severity: page }
      group_by: ['...']
      routes:
        - { receiver: sites, match_re: { site: 'n.*' }, group_by: [site, alertname] }
        - { receiver: mail, matchers: [by="mail"], group_by: [alertname] }
    - { receiver: muted, matchers: [when="never"], mute_time_intervals: [always] }
    - { receiver: pages, matchers: [when="now"], active_time_intervals: [always] }
    - { receiver: pages, matchers: [when="then"], active_time_intervals: [past] }
    - { receiver: quiet, matchers: ['kind="quiet"'] }
    - { receiver: few, matchers: ['kind="few"'], group_by: [kind] }
inhibit_rules:
  - { source_matchers: [alertname="SiteDown"], target_matchers: [alertname!="SiteDown"], equal: [site] }
  - { source_match: { severity: page }, target_match: { severity: warn }, equal: [alertname, place] }
mute_time_intervals:
  - { name: always, time_intervals: [{ weekdays: ['sunday:saturday'] }] }
  - { name: past, time_intervals: [{ years: ['2001:2002'], months: [may], days_of_month: ['-3:-1'] }] }
receivers:
  - { name: default.team, webhook_configs: [{ url: '${webhook}' }] }
  - { name: log, webhook_configs: [{ url: '${webhook}' }] }
  - { name: pages, webhook_configs: [{ url: '${webhook}' }, { url: '${webhook}/second', send_resolved: false }] }
  - { name: sites, webhook_configs: [{ url: '${webhook}' }] }
  - { name: muted, webhook_configs: [{ url: '${webhook}' }] }
  - { name: quiet, webhook_configs: [{ url: '${webhook}', send_resolved: false }] }
  - { name: few, webhook_configs: [{ url: '${webhook}', max_alerts: 2 }] }
  - name: mail
    email_configs:
      - to: '{{ .CommonLabels.owner }}@example.org'
        headers: { Subject: '{{ template "email.default.subject" . }}', X-Names: '{{ .CommonLabels.SortedPairs.Names | join "," }}' }
        html: ''
        text: '{{ range .Alerts }}{{ .Status | title }} {{ .Labels.alertname | toLower }} {{ reReplaceAll "a(.)" "$1" .Annotations.summary }} {{ .Fingerprint }} {{ .EndsAt.IsZero }};{{ end }}'
`

/** Alerts of each case; all are posted to both. */
const cases: Record<string, string>[] = [
  { alertname: 'Plain' },
  { alertname: 'Plain', place: '1' },
  { alertname: 'Plain', place: '2', job: 'b', instance: 'x' },
  { alertname: 'Plain', place: '2', job: 'a', instance: 'y' },
  { alertname: 'Page', severity: 'page', place: '1' },
  { alertname: 'Page', severity: 'page', place: '2' },
  { alertname: 'Page', severity: 'page', log: 'no' },
  { alertname: 'Warn', severity: 'warn', place: '3' },
  { alertname: 'Page', severity: 'warn', place: '1' },
  { alertname: 'Both', severity: 'page', site: 'north' },
  { alertname: 'Both', severity: 'page', site: 'north', more: 'x' },
  { alertname: 'Both', severity: 'page', site: 'south' },
  { alertname: 'SiteDown', site: 'east' },
  { alertname: 'Lost', site: 'east' },
  { alertname: 'Lost', site: 'west' },
  { alertname: 'Night', when: 'never' },
  { alertname: 'Day', when: 'now' },
  { alertname: 'Past', when: 'then' },
  { alertname: 'Hush', kind: 'quiet' },
  { alertname: 'F1', kind: 'few' },
  { alertname: 'F2', kind: 'few' },
  { alertname: 'F3', kind: 'few' },
  { alertname: 'Mail', severity: 'page', by: 'mail', owner: 'ada', text: 'ünï "quoted"' },
  { alertname: 'Mail', severity: 'page', by: 'mail', owner: 'ada', text: 'other' },
  { alertname: 'Silenced', place: '9' },
  { noname: 'yes' },
]

const webhooksOf = ({ requests }: WebhookServer): string[] =>
  requests
    .map(({ path: where, body: { externalURL, ...body } }) =>
      JSON.stringify([where, typeof externalURL, body]),
    )
    .toSorted()

test('a real Alertmanager with the same file and alerts tells the same', async (t) => {
  const sides = await Promise.all(
    (['real', 'ours'] as const).map(async (side) => {
      const webhook = await startWebhook(t)
      const smtp = await startSmtp(t)
      const text = config(webhook.url, smtp.address)
      const url =
        side === 'real' ? await startReal(t, text) : (await startAlertmanager(t, text)).url
      return { url, webhook, smtp }
    }),
  )
  const post = async (what: string, body: unknown): Promise<void> => {
    for (const { url } of sides) {
      const response = await fetch(`${url}/api/v2/${what}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
      assert.equal(response.status, 200, await response.text())
    }
  }
  const startMs = Date.now()
  const time = (afterMs: number): string => new Date(startMs + afterMs).toISOString()
  await post('silences', {
    matchers: [{ name: 'alertname', value: 'Sil.*', isRegex: true }],
    startsAt: time(0),
    endsAt: time(600_000),
    createdBy: 'me',
    comment: 'known',
  })
  const alerts = cases.map((labels) => ({
    labels,
    annotations: { summary: `about ${labels.alertname ?? 'nothing'}`, all: 'same' },
    startsAt: time(0),
    endsAt: time(600_000),
    generatorURL: 'http://prometheus/graph',
  }))
  await post('alerts', alerts)
  const [real, ours] = sides as [(typeof sides)[0], (typeof sides)[0]]
  const counts = () =>
    sides.map(({ webhook, smtp }) => [webhook.requests.length, smtp.mails.length])
  const settled = async (): Promise<void> => {
    let before = ''
    await eventually(async () => {
      const [first, second] = counts()
      assert.deepEqual(second, first)
      const now = JSON.stringify(first)
      const isStill = now === before
      before = now
      // A group interval without anything new is the end.
      if (!isStill) await new Promise((resolve) => setTimeout(resolve, 1_300))
      assert.ok(isStill)
    }, 30_000)
  }
  await eventually(() => assert.ok(real.webhook.requests.length > 10))
  await settled()
  assert.deepEqual(webhooksOf(ours.webhook), webhooksOf(real.webhook))
  const shown = async (url: string): Promise<unknown> => {
    type Alert = { fingerprint: string; updatedAt: string; status: { silencedBy: string[] } }
    type Group = { alerts: Alert[] }
    const plain = ({ updatedAt, status, ...alert }: Alert): unknown => ({
      ...alert,
      status: { ...status, silencedBy: status.silencedBy.length },
      updated: typeof updatedAt,
    })
    const answers: unknown[] = []
    for (const query of [
      '',
      '?silenced=false',
      '?inhibited=false',
      '?active=false',
      '?filter=severity%3D~%22pa.*%22',
      '?receiver=pages',
    ])
      answers.push(
        ((await (await fetch(`${url}/api/v2/alerts${query}`)).json()) as Alert[]).map(plain),
      )
    const groups = (await (await fetch(`${url}/api/v2/alerts/groups`)).json()) as Group[]
    answers.push(
      groups
        .map((group) => ({ ...group, alerts: group.alerts.map(plain) }))
        .map((group) => JSON.stringify(group))
        .toSorted(),
    )
    return answers
  }
  assert.deepEqual(await shown(ours.url), await shown(real.url))
  // All but every third end; the rest goes on.
  const endsAt = time(Date.now() - startMs - 1)
  await post(
    'alerts',
    alerts.filter((_, index) => index % 3 !== 0).map((alert) => ({ ...alert, endsAt })),
  )
  await settled()
  assert.deepEqual(webhooksOf(ours.webhook), webhooksOf(real.webhook))
  assert.ok(real.webhook.requests.length > 25, String(real.webhook.requests.length))
  const mails = ({ smtp }: (typeof sides)[0]): unknown =>
    smtp.mails
      .map(({ from, to, text }) => [
        from,
        to,
        /^Subject: (.*(?:\n\s.*)*)/m.exec(text)?.[1],
        /^X-Names: (.*)/m.exec(text)?.[1],
        text
          .replace(/=\n/g, '')
          .split('\n')
          .filter((line) => /about|firing|resolved/i.test(line) && !/^Subject/.test(line))
          .join(''),
      ])
      .map((mail) => JSON.stringify(mail))
      .toSorted()
  assert.equal(ours.smtp.mails.length, real.smtp.mails.length)
  assert.deepEqual(mails(ours), mails(real))
})

test('amtool works against ours', async (t) => {
  const webhook = await startWebhook(t)
  const smtp = await startSmtp(t)
  const text = config(webhook.url, smtp.address)
  const { url, folder } = await startAlertmanager(t, text)
  const amtool = async (...words: string[]): Promise<string> =>
    (await run(peer('amtool'), ['--alertmanager.url', url, ...words])).stdout
  await amtool('alert', 'add', 'alertname=Hot', 'place=1', '--annotation=summary=it is hot')
  await amtool('alert', 'add', 'alertname=Cold', 'place=2')
  assert.match(await amtool('alert', 'query'), /Hot\s.*it is hot\s.*active/)
  assert.equal(
    (await amtool('alert', 'query', '-o', 'simple', 'alertname=~C.*')).split('\n').length,
    3,
  )
  const id = (
    await amtool('silence', 'add', 'alertname=Hot', '--comment=known', '--author=me')
  ).trim()
  assert.match(id, /^[\da-f-]{36}$/)
  assert.match(await amtool('silence', 'query'), new RegExp(id.slice(0, 8)))
  assert.doesNotMatch(await amtool('alert', 'query'), /Hot/)
  assert.match(await amtool('alert', 'query', '--silenced'), /Hot/)
  await amtool('silence', 'update', '--comment=still known', id)
  assert.match(await amtool('silence', 'query'), /still known/)
  await amtool('silence', 'expire', id)
  assert.doesNotMatch(await amtool('silence', 'query'), /known/)
  assert.match(await amtool('silence', 'query', '--expired'), /known/)
  assert.match(await amtool('config', 'show'), /receiver: default\.team/)
  assert.doesNotMatch(await amtool('config', 'show'), /\/second/)
  assert.match(await amtool('config', 'routes'), /severity="page"/)
  assert.equal(
    (await amtool('config', 'routes', 'test', 'severity=page', 'site=north')).trim(),
    'log,sites',
  )
  assert.match(await amtool('cluster', 'show'), /Cluster Status:\s+disabled/)
  await run(peer('amtool'), ['check-config', path.join(folder, 'alertmanager.yml')])
})

test('a real Alertmanager takes our alerts, and a real Prometheus gives ours its own', async (t) => {
  const target = await startTarget(t, () => 't{place="1"} 40\n')
  const rules = `groups: [{ name: g, rules: [{ alert: Hot, expr: 't > 30', annotations: { summary: '{{ $value }}' } }] }]`
  const prometheusConfig = (alertmanager: string): string => `
global: { scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms }
rule_files: [rules/*.yml]
alerting: { alertmanagers: [{ static_configs: [{ targets: ['${alertmanager.replace('http://', '')}'] }] }] }
scrape_configs: [{ job_name: iot, static_configs: [{ targets: ['${target}'] }] }]
`
  const route = (webhook: WebhookServer): string => `
route: { receiver: web, group_by: [alertname], group_wait: 0s, group_interval: 1s, repeat_interval: 1h }
receivers: [{ name: web, webhook_configs: [{ url: '${webhook.url}' }] }]
`
  const toReal = await startWebhook(t)
  const toOurs = await startWebhook(t)
  const real = await startReal(t, route(toReal))
  const ours = await startAlertmanager(t, route(toOurs))
  await startPrometheus(t, { 'prometheus.yml': prometheusConfig(real), 'rules/a.yml': rules })
  const folder = await temporaryFolder(t)
  await mkdir(path.join(folder, 'rules'))
  await mkdir(path.join(folder, 'data'))
  await writeFile(path.join(folder, 'prometheus.yml'), prometheusConfig(ours.url))
  await writeFile(path.join(folder, 'rules/a.yml'), rules)
  const child = spawn(
    peer('prometheus'),
    [
      `--config.file=${path.join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${path.join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${await freePort()}`,
    ],
    { stdio: 'ignore' },
  )
  t.after(async () => {
    const exited = once(child, 'exit')
    child.kill()
    await exited
  })
  for (const webhook of [toReal, toOurs]) {
    await eventually(() => assert.equal(webhook.requests.length, 1), 30_000)
    const [alert] = webhook.requests[0]!.body.alerts
    assert.deepEqual(alert?.labels, { alertname: 'Hot', instance: target, job: 'iot', place: '1' })
    assert.deepEqual(alert?.annotations, { summary: '40' })
  }
})
