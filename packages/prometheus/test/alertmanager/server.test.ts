import assert from 'node:assert/strict'
import { readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises'
import path from 'node:path'
import test from 'node:test'
import { eventually } from '@khlong/core/testing'
import { alert, startAlertmanager, startSmtp, startWebhook } from './helpers.ts'

const fast = 'group_wait: 0s, group_interval: 100ms, repeat_interval: 1h'
const webhookTo = (url: string, route = ''): string => `
route: { receiver: web, group_by: [alertname], ${fast}${route} }
receivers:
  - name: web
    webhook_configs: [{ url: '${url}/hook' }]
`

test('an alert is told by webhook in version 4, and its end, once each', async (t) => {
  const webhook = await startWebhook(t)
  const { post } = await startAlertmanager(t, webhookTo(webhook.url))
  const labels = { alertname: 'Hot', place: '1' }
  const startsAt = new Date(Date.now() - 5_000).toISOString()
  assert.equal((await post('/api/v2/alerts', [alert(labels, { startsAt })])).status, 200)
  await eventually(() => assert.equal(webhook.requests.length, 1))
  const { body, headers } = webhook.requests[0]!
  assert.match(String(headers['idempotency-key']), /^[\da-f]{8}-[\da-f]{4}-8/)
  const { alerts, externalURL, ...rest } = body
  assert.match(String(externalURL), /^http:\/\/127\.0\.0\.1:\d+$/)
  assert.deepEqual(rest, {
    receiver: 'web',
    status: 'firing',
    groupLabels: { alertname: 'Hot' },
    commonLabels: labels,
    commonAnnotations: { summary: 'Hot is on' },
    version: '4',
    groupKey: '{}:{alertname="Hot"}',
    truncatedAlerts: 0,
  })
  assert.equal(alerts[0]?.endsAt, '0001-01-01T00:00:00Z')
  const endsAt = new Date(Date.now() - 1).toISOString()
  for (let again = 0; again < 3; again++)
    await post('/api/v2/alerts', [alert(labels, { startsAt, endsAt })])
  await eventually(() => assert.equal(webhook.requests.length, 2))
  assert.equal(webhook.requests[1]?.body.status, 'resolved')
  assert.equal(webhook.requests[1]?.body.alerts[0]?.status, 'resolved')
})

test('what could not be told is tried again until it can, and then once', async (t) => {
  const webhook = await startWebhook(t)
  webhook.status = 503
  const { post, get } = await startAlertmanager(t, webhookTo(webhook.url))
  await post('/api/v2/alerts', [alert({ alertname: 'Hot' })])
  const failures = async () => {
    const { results } = (await get('/-/test-receiver')) as { results: { error: string }[] }
    return results[0]?.error ?? ''
  }
  await eventually(async () => assert.match(await failures(), /unexpected status code 503/))
  webhook.status = 200
  await eventually(() => assert.equal(webhook.requests.length, 1))
  await eventually(async () => assert.equal(await failures(), ''))
  assert.equal(webhook.requests.length, 1)
})

test('silences and inhibition keep alerts from being told, and the API says by what', async (t) => {
  const webhook = await startWebhook(t)
  const { post, get, url } = await startAlertmanager(
    t,
    `${webhookTo(webhook.url)}
inhibit_rules:
  - { source_matchers: [severity="critical"], target_matchers: [severity="warning"], equal: [place] }
`,
  )
  const silence = (await (
    await post('/api/v2/silences', {
      matchers: [{ name: 'alertname', value: 'Qu.*', isRegex: true }],
      startsAt: new Date().toISOString(),
      endsAt: new Date(Date.now() + 60_000).toISOString(),
      createdBy: 'me',
      comment: 'known',
    })
  ).json()) as { silenceID: string }
  await post('/api/v2/alerts', [
    alert({ alertname: 'Quiet', place: '1' }),
    alert({ alertname: 'Down', severity: 'critical', place: '2' }),
    alert({ alertname: 'Slow', severity: 'warning', place: '2' }),
  ])
  await eventually(() => assert.equal(webhook.requests.length, 1))
  assert.equal(webhook.requests[0]?.body.commonLabels.alertname, 'Down')
  type Found = {
    labels: Record<string, string>
    fingerprint: string
    status: Record<string, unknown>
  }[]
  const found = (await get('/api/v2/alerts')) as Found
  const named = (name: string) => found.find(({ labels }) => labels.alertname === name)!
  assert.deepEqual(named('Quiet').status, {
    inhibitedBy: [],
    silencedBy: [silence.silenceID],
    state: 'suppressed',
  })
  assert.deepEqual(named('Slow').status.inhibitedBy, [named('Down').fingerprint])
  assert.equal(((await get('/api/v2/alerts?silenced=false&inhibited=false')) as Found).length, 1)
  assert.equal(((await get('/api/v2/alerts?filter=place%3D%222%22')) as Found).length, 2)
  await fetch(`${url}/api/v2/silence/${silence.silenceID}`, { method: 'DELETE' })
  await eventually(() => assert.equal(webhook.requests.length, 2))
  assert.equal(webhook.requests[1]?.body.commonLabels.alertname, 'Quiet')
})

test('the API answers mistakes as Alertmanager does', async (t) => {
  const { post, url } = await startAlertmanager(t, webhookTo('http://127.0.0.1:9'))
  const body = async (response: Response) => [response.status, await response.json()]
  assert.deepEqual(await body(await post('/api/v2/alerts', [{ labels: {} }])), [
    400,
    'at least one label pair required',
  ])
  assert.deepEqual(await body(await post('/api/v2/alerts', [{ labels: { 'a b': 'x' } }])), [
    400,
    'invalid label set: invalid name "a b"',
  ])
  assert.deepEqual(await body(await post('/api/v2/alerts', [{}])), [
    422,
    { code: 602, message: '0.labels in body is required' },
  ])
  const silence = {
    matchers: [{ name: 'a', value: 'b', isRegex: false }],
    startsAt: '2026-11-24T00:00:00Z',
    endsAt: '2126-01-01T00:00:00Z',
    createdBy: 'me',
    comment: 'c',
  }
  const { comment, ...without } = silence
  assert.equal(comment, 'c')
  assert.deepEqual(await body(await post('/api/v2/silences', without)), [
    422,
    { code: 602, message: 'comment in body is required' },
  ])
  assert.deepEqual(
    await body(await post('/api/v2/silences', { ...silence, endsAt: '2026-11-23T00:00:00Z' })),
    [400, 'Failed to create silence: start time must be before end time'],
  )
  const unknown = '11111111-1111-4111-8111-111111111111'
  assert.deepEqual(await body(await post('/api/v2/silences', { ...silence, id: unknown })), [
    404,
    'silence not found',
  ])
  assert.equal((await fetch(`${url}/api/v2/silence/${unknown}`)).status, 404)
  assert.equal((await fetch(`${url}/api/v2/silence/x`)).status, 422)
  assert.deepEqual(await body(await fetch(`${url}/api/v2/alerts?filter=foo`)), [
    400,
    'bad matcher format: foo',
  ])
  assert.deepEqual(await body(await fetch(`${url}/api/v2/nothing`)), [
    404,
    { code: 404, message: 'path /api/v2/nothing was not found' },
  ])
  assert.deepEqual(await (await fetch(`${url}/-/healthy`)).text(), 'OK')
  assert.match(await (await fetch(`${url}/metrics`)).text(), /alertmanager_receivers 1/)
})

test('after a restart silences hold, nothing is told twice, and an end is told all the same', async (t) => {
  const webhook = await startWebhook(t)
  const config = `global: { resolve_timeout: 300ms }\n${webhookTo(webhook.url)}`
  const first = await startAlertmanager(t, config)
  const endsAt = new Date(Date.now() + 60_000).toISOString()
  await first.post('/api/v2/alerts', [
    alert({ alertname: 'Hot' }, { endsAt }),
    alert({ alertname: 'Gone' }),
  ])
  await eventually(() => assert.equal(webhook.requests.length, 2))
  const silence = {
    matchers: [{ name: 'a', value: 'b', isRegex: false }],
    startsAt: endsAt,
    endsAt: '2126-01-01T00:00:00Z',
    createdBy: 'me',
    comment: 'c',
  }
  await first.post('/api/v2/silences', silence)
  await first.server.stop()
  const journal = path.join(first.folder, 'data', 'alertmanager.journal')
  // A crash may leave half a record.
  await truncate(journal, (await stat(journal)).size - 3).then(() => first)
  const second = await startAlertmanager(t, config, { folder: first.folder })
  await second.post('/api/v2/alerts', [alert({ alertname: 'Hot' }, { endsAt })])
  await eventually(() => assert.equal(webhook.requests.length, 3))
  assert.equal(webhook.requests[2]?.body.status, 'resolved')
  assert.equal(webhook.requests[2]?.body.commonLabels.alertname, 'Gone')
  assert.equal(((await second.get('/api/v2/silences')) as unknown[]).length, 0)
  await second.post('/api/v2/silences', silence)
  await second.server.stop()
  const third = await startAlertmanager(t, config, { folder: first.folder })
  assert.equal(((await third.get('/api/v2/silences')) as unknown[]).length, 1)
  assert.equal(webhook.requests.length, 3)
  await third.server.stop()
  const bytes = await readFile(journal)
  bytes[20]! ^= 1
  await writeFile(journal, bytes)
  await assert.rejects(startAlertmanager(t, config, { folder: first.folder }), {
    code: 'PROMETHEUS_STORAGE_DAMAGED',
  })
})

test('mail, Telegram, Discord and LINE are told in their own ways, and secrets show nowhere', async (t) => {
  const webhook = await startWebhook(t)
  const smtp = await startSmtp(t)
  const secrets = ['s3cret-mail', 's3cret-bot', 's3cret-discord', 's3cret-line']
  const { post, get, server } = await startAlertmanager(
    t,
    `
global: { smtp_smarthost: '${smtp.address}', smtp_from: 'khlong@example.org', smtp_require_tls: false, telegram_api_url: '${webhook.url}' }
route: { receiver: all, group_by: [alertname], ${fast} }
templates: ['*.tmpl']
receivers:
  - name: all
    email_configs:
      - { to: 'ada@example.org, bob@example.org', auth_username: ada, auth_password: '\${MAIL_PASSWORD}', send_resolved: true }
    telegram_configs:
      - { bot_token_file: token.txt, chat_id: -100, message: '{{ template "mine" . }}' }
    discord_configs: [{ webhook_url: '${webhook.url}/discord/s3cret-discord' }]
    line_configs:  # s3cret-line
      - { channel_access_token: s3cret-line, to: U1, api_url: '${webhook.url}' }
`,
    {
      env: { MAIL_PASSWORD: 's3cret-mail' },
      files: {
        'token.txt': 's3cret-bot\n',
        'mine.tmpl':
          '{{ define "mine" }}{{ range .Alerts.Firing }}<b>{{ .Labels.alertname | toUpper }}</b> {{ .Annotations.summary }}{{ end }}{{ end }}',
      },
    },
  )
  await post('/api/v2/alerts', [
    { labels: { alertname: 'Hot', place: '<1>' }, annotations: { summary: 'Place <1> is hot' } },
  ])
  await eventually(() => assert.equal(webhook.requests.length + smtp.mails.length, 4))
  const [mail] = smtp.mails
  assert.deepEqual(mail?.to, ['ada@example.org', 'bob@example.org'])
  assert.match(mail!.text, /^Subject: \[FIRING:1\] Hot \(<1>\)$/m)
  assert.match(mail!.text, /<b>Place &lt;1&gt; =\nis hot<\/b>/)
  assert.match(mail!.text, /^- Place <1> is hot/m)
  assert.deepEqual(smtp.logins, ['/ada/s3cret-mail'])
  const told = (start: string) => webhook.requests.find(({ path }) => path.startsWith(start))!
  assert.equal(told('/bots3cret-bot/sendMessage').body.text, '<b>HOT</b> Place &lt;1&gt; is hot')
  assert.equal(told('/bot').body.chat_id, -100)
  const [embed] = told('/discord').body.embeds as { title: string; description: string }[]
  assert.equal(embed?.title, '[FIRING:1] Hot (<1>)')
  assert.match(String(embed?.description), /Something is wrong:\n- Place <1> is hot/)
  const line = told('/v2/bot/message/push')
  assert.equal(line.headers.authorization, 'Bearer s3cret-line')
  assert.match(String(line.headers['x-line-retry-key']), /^[\da-f-]{36}$/)
  assert.equal(line.body.to, 'U1')
  webhook.status = 400
  await post('/-/test-receiver', { receiver: 'all' })
  const shown = JSON.stringify([
    await get('/api/v2/status'),
    await get('/-/test-receiver'),
    server.metrics(),
  ])
  for (const secret of secrets) assert.ok(!shown.includes(secret), secret)
  assert.match(shown, /unexpected status code 400/)
})

test('a receiver can be tried, and says how each way went', async (t) => {
  const webhook = await startWebhook(t)
  const { post } = await startAlertmanager(t, webhookTo(webhook.url))
  const tried = await post('/-/test-receiver', { receiver: 'web', labels: { place: '1' } })
  const { results } = (await tried.json()) as { results: Record<string, unknown>[] }
  assert.equal(results.length, 1)
  assert.deepEqual(
    [results[0]?.integration, results[0]?.error, results[0]?.isTest],
    ['webhook[0]', '', true],
  )
  assert.deepEqual(webhook.requests[0]?.body.commonLabels, {
    alertname: 'TestAlert',
    severity: 'none',
    place: '1',
  })
  const unknown = await post('/-/test-receiver', { receiver: 'nobody' })
  assert.equal(unknown.status, 404)
  assert.match(await unknown.text(), /there is no receiver .*nobody.*; there are web/)
})

test('the configuration is read anew; one that is wrong changes nothing', async (t) => {
  const webhook = await startWebhook(t)
  const { post, url, folder, get } = await startAlertmanager(t, webhookTo(webhook.url))
  await post('/api/v2/alerts', [alert({ alertname: 'Hot' })])
  await eventually(() => assert.equal(webhook.requests.length, 1))
  const file = path.join(folder, 'alertmanager.yml')
  await writeFile(file, webhookTo(webhook.url).replace('receiver: web', 'receiver: nobody'))
  const refused = await fetch(`${url}/-/reload`, { method: 'POST' })
  assert.equal(refused.status, 500)
  assert.match(await refused.text(), /undefined receiver "nobody" used in route/)
  await writeFile(
    file,
    webhookTo(webhook.url)
      .replaceAll('web', 'net')
      .replace('net' + 'hook_configs', 'webhook_configs'),
  )
  assert.equal((await fetch(`${url}/-/reload`, { method: 'POST' })).status, 200)
  assert.deepEqual(await get('/api/v2/receivers'), [{ name: 'net' }])
  // Another receiver has been told nothing yet.
  await eventually(() => assert.equal(webhook.requests.length, 2))
})

test('what is not supported is refused by name, and so is what cannot be', async (t) => {
  const refuses = (config: string, message: RegExp) =>
    assert.rejects(startAlertmanager(t, config), message)
  const receiver = (text: string) =>
    `route: { receiver: a }\nreceivers:\n  - name: a\n    ${text}\n`
  await refuses(
    receiver('slack_configs: [{ channel: x }]'),
    /alertmanager\.yml:4: receivers\.0\.slack_configs: not supported yet/,
  )
  await refuses(
    receiver('webhook_configs: [{ urll: x }]'),
    /alertmanager\.yml:4: .*webhook_configs\.0\.urll: unknown setting/,
  )
  await refuses(
    receiver('webhook_configs: [{ url: "$'.concat('{NO_SUCH_VARIABLE_HERE}" }]')),
    /the environment has no variable NO_SUCH_VARIABLE_HERE/,
  )
  await refuses(
    receiver("telegram_configs: [{ bot_token: x, chat_id: 1, message: '{{ nothing }}' }]"),
    /function nothing is not supported yet/,
  )
  await refuses(
    'route: { receiver: a, matchers: [x=y] }\nreceivers: [{ name: a }]',
    /the topmost route takes everything/,
  )
  await refuses(
    'route: { receiver: a, routes: [{ mute_time_intervals: [night] }] }\nreceivers: [{ name: a }]',
    /undefined time interval "night"/,
  )
  await refuses(receiver('email_configs: [{ to: x }]'), /needs smarthost/)
})

test('above alerts.max alerts are refused, and counted', async (t) => {
  const { folder } = await startAlertmanager(t, webhookTo('http://127.0.0.1:9'))
  const { AlertmanagerServer } = await import('../../src/index.ts')
  const server = new AlertmanagerServer({
    listen: 0,
    data: path.join(folder, 'small'),
    'config.file': path.join(folder, 'alertmanager.yml'),
    'alerts.max': 1,
  })
  await server.start()
  t.after(() => server.stop())
  const response = await fetch(`http://${server.addresses.http}/api/v2/alerts`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify([alert({ alertname: 'a' }), alert({ alertname: 'b' })]),
  })
  assert.equal(response.status, 503)
  assert.match(server.metrics(), /alertmanager_alerts_limited_total 1/)
  assert.deepEqual((await readdir(path.join(folder, 'small'))).toSorted(), [
    'alertmanager.journal',
    'owner.pid',
  ])
})
