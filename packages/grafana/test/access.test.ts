import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import { request as httpRequest } from 'node:http'
import { networkInterfaces } from 'node:os'
import path from 'node:path'
import test, { type TestContext } from 'node:test'
import type { LogFields } from '@khlong/core'
import { silentLogger } from '@khlong/core'
import { AccessStore } from '@khlong/core/access'
import { eventually, temporaryFolder } from '@khlong/core/testing'
import { GrafanaServer, resolveGrafanaOptions } from '../src/index.ts'
import { startConsole, startHttp } from './helpers.ts'

const scrypt = { cost: 16, blockSize: 1, parallelization: 1 }
const password = 'correct horse'

/** A console with an administrator `ada`, an editor `eve` and a viewer `vera`. */
async function startWithPeople(t: TestContext, options: object = {}) {
  const access = path.join(await temporaryFolder(t), 'access')
  const store = new AccessStore({ folder: access, scrypt })
  await store.addFirstAdministrator({ name: 'ada', password })
  await store.addUser({ name: 'eve', role: 'editor', password })
  await store.addUser({ name: 'vera', role: 'viewer', password })
  const server = await startConsole(t, { access, ...options })
  return Object.assign(server, { store, access })
}

const basic = (name: string): Record<string, string> => ({
  authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`,
})

async function post(url: string, body: object, headers: Record<string, string> = {}) {
  return fetch(url, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json', ...headers },
  })
}

async function logIn(url: string, user: string, headers: Record<string, string> = {}) {
  const answer = await post(`${url}/login`, { user, password }, headers)
  assert.equal(answer.status, 200)
  return cookieOf(answer)
}

function cookieOf(answer: Response): Record<string, string> {
  const [cookie = ''] = answer.headers.getSetCookie()
  return { cookie: cookie.split(';')[0] ?? '' }
}

test('on loopback without users all is as it was, and the first administrator closes the door', async (t) => {
  const { url } = await startConsole(t)
  assert.deepEqual(await (await fetch(`${url}/-/session`)).json(), { kind: 'open', canSetUp: true })
  assert.equal((await fetch(`${url}/api/search`)).status, 200)
  const early = await post(`${url}/-/access/users`, {
    name: 'mallory',
    role: 'administrator',
    password,
  })
  assert.equal(early.status, 409)
  const made = await post(`${url}/-/access/setup`, { name: 'ada', password })
  assert.equal(made.status, 200)
  assert.equal((await fetch(`${url}/api/search`)).status, 401)
  const session = await (await fetch(`${url}/-/session`, { headers: cookieOf(made) })).json()
  assert.deepEqual(session, { kind: 'in', name: 'ada', role: 'administrator', isUser: true })
  const again = await post(`${url}/-/access/setup`, { name: 'mallory', password })
  assert.equal(again.status, 403)
})

test('whoever comes unknown is answered as by Grafana, and sees the page but no data', async (t) => {
  const { url } = await startWithPeople(t)
  for (const target of [
    '/api/search',
    '/api/dashboards/uid/iot',
    '/api/datasources',
    '/-/setup',
    '/-/live',
    '/-/mqtt/tail',
    '/-/kafka/topics',
    '/-/connect/connectors',
    '/-/access/people',
    '/-/access/audit',
    '/metrics',
  ]) {
    const answer = await fetch(url + target)
    assert.deepEqual(
      [answer.status, await answer.json()],
      [401, { message: 'Unauthorized' }],
      target,
    )
    assert.equal(answer.headers.get('www-authenticate'), null)
  }
  assert.equal((await fetch(`${url}/`)).status, 200)
  assert.equal((await fetch(`${url}/api/health`)).status, 200)
  assert.deepEqual(await (await fetch(`${url}/-/session`)).json(), { kind: 'login' })
  assert.equal((await post(`${url}/api/dashboards/db`, {})).status, 401)
})

test('Basic and Bearer open the API to scripts, each with its role', async (t) => {
  const { url, store } = await startWithPeople(t)
  const dashboard = { dashboard: { title: 'Mine' } }
  assert.equal((await fetch(`${url}/api/search`, { headers: basic('vera') })).status, 200)
  assert.equal((await post(`${url}/api/dashboards/db`, dashboard, basic('vera'))).status, 403)
  assert.equal((await post(`${url}/api/dashboards/db`, dashboard, basic('eve'))).status, 200)
  assert.equal((await post(`${url}/-/access/tokens`, {}, basic('eve'))).status, 403)
  // Asking by POST is looking: what is wrong with this one is that it asks nothing.
  assert.equal((await post(`${url}/api/ds/query`, {}, basic('vera'))).status, 400)
  const made = await post(
    `${url}/-/access/tokens`,
    { name: 'ci', role: 'viewer', days: 30 },
    basic('ada'),
  )
  const { token } = (await made.json()) as { token: string }
  const headers = { authorization: `Bearer ${token}` }
  const user = (await (await fetch(`${url}/api/user`, { headers })).json()) as Record<
    string,
    unknown
  >
  assert.deepEqual([user.login, user.isGrafanaAdmin], ['ci', false])
  await eventually(() => assert.equal(store.accounts.tokens.length, 0))
  const revoked = await fetch(`${url}/-/access/tokens/ci`, {
    method: 'DELETE',
    headers: basic('ada'),
  })
  assert.equal(revoked.status, 200)
  assert.equal((await fetch(`${url}/api/user`, { headers })).status, 401)
})

test('a viewer cannot reach an administrator’s routes by writing the path in another way', async (t) => {
  const { url } = await startWithPeople(t)
  for (const target of [
    '/-/access/people',
    '/-/acce%73s/people',
    '/-/access/./people',
    '/-/x/../access/people',
    '/-/access/people?x=/api/health',
    '//-/access/people',
    '/-/access/people/',
    '/%2d/access/people',
    '/-/access/audit',
  ]) {
    // Past fetch, which would tidy the path.
    const request = httpRequest(url, { path: target, headers: basic('vera') })
    request.end()
    const [response] = await once(request, 'response')
    const text = (await response.toArray()).join('')
    assert.doesNotMatch(text, /"users"|"lines"/, target)
  }
})

test('a login begins a new session, whatever the browser brought along', async (t) => {
  const { url } = await startWithPeople(t)
  const planted = `khlong_session_${new URL(url).port}=${'A'.repeat(43)}`
  const answer = await post(`${url}/login`, { user: 'ada', password }, { cookie: planted })
  const header = answer.headers.getSetCookie()[0] ?? ''
  assert.match(header, /; HttpOnly; SameSite=Strict$/)
  const session = cookieOf(answer)
  assert.notEqual(session.cookie, planted)
  assert.equal((await fetch(`${url}/api/user`, { headers: { cookie: planted } })).status, 401)
  assert.equal((await fetch(`${url}/api/user`, { headers: session })).status, 200)
  const second = await logIn(url, 'ada', session)
  assert.notEqual(second.cookie, session.cookie)
  assert.equal((await fetch(`${url}/api/user`, { headers: session })).status, 401)
  const secure = await post(
    `${url}/login`,
    { user: 'ada', password },
    { 'x-forwarded-proto': 'https' },
  )
  assert.match(secure.headers.getSetCookie()[0] ?? '', /; Secure$/)
})

test('logging out ends the session on the server, and its live stream', async (t) => {
  const { url } = await startWithPeople(t)
  const session = await logIn(url, 'vera')
  const live = await fetch(`${url}/-/live`, { headers: session })
  assert.equal(live.status, 200)
  assert.equal(live.headers.get('x-content-type-options'), 'nosniff')
  const ended = live.text().then(() => 'ended')
  assert.equal((await post(`${url}/logout`, {}, session)).status, 200)
  assert.equal(await ended, 'ended')
  assert.equal((await fetch(`${url}/api/user`, { headers: session })).status, 401)
})

test('who is removed, or has another password or role, is so at once and everywhere', async (t) => {
  const { url } = await startWithPeople(t)
  const [vera, eve] = [await logIn(url, 'vera'), await logIn(url, 'eve')]
  const live = await fetch(`${url}/-/live`, { headers: vera })
  const ended = live.text().then(() => 'ended')
  const change = (method: string, name: string, body?: object) =>
    fetch(`${url}/-/access/users/${name}`, {
      method,
      headers: { ...basic('ada'), ...(body ? { 'content-type': 'application/json' } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
    })
  assert.equal((await change('PUT', 'eve', { role: 'viewer' })).status, 200)
  assert.equal((await post(`${url}/api/dashboards/db`, {}, eve)).status, 403)
  assert.equal((await change('DELETE', 'vera')).status, 200)
  assert.equal(await ended, 'ended')
  assert.equal((await fetch(`${url}/api/user`, { headers: vera })).status, 401)
  assert.equal((await change('PUT', 'eve', { password: 'another one' })).status, 200)
  assert.equal((await fetch(`${url}/api/user`, { headers: eve })).status, 401)
  assert.equal((await change('DELETE', 'ada')).status, 409)
  assert.equal((await change('PUT', 'ada', { role: 'viewer' })).status, 409)
  assert.equal((await change('DELETE', 'nobody')).status, 404)
})

test('one’s own password is changed with the old one; other sessions end, this one goes on', async (t) => {
  const { url } = await startWithPeople(t)
  const [here, there] = [await logIn(url, 'vera'), await logIn(url, 'vera')]
  const change = (oldPassword: string) =>
    fetch(`${url}/api/user/password`, {
      method: 'PUT',
      headers: { ...here, 'content-type': 'application/json' },
      body: JSON.stringify({ oldPassword, newPassword: 'quite another' }),
    })
  assert.equal((await change('wrong horse')).status, 403)
  const changed = await change(password)
  assert.equal(changed.status, 200)
  assert.equal((await fetch(`${url}/api/user`, { headers: cookieOf(changed) })).status, 200)
  assert.equal((await fetch(`${url}/api/user`, { headers: there })).status, 401)
})

test('the page of another origin can neither log in, nor out, nor change anything', async (t) => {
  const { url } = await startWithPeople(t)
  const session = await logIn(url, 'ada')
  for (const foreign of [{ origin: 'https://evil.example' }, { 'sec-fetch-site': 'cross-site' }])
    for (const target of [
      '/login',
      '/logout',
      '/-/access/setup',
      '/-/access/users',
      '/api/dashboards/db',
    ])
      assert.equal((await post(url + target, {}, { ...session, ...foreign })).status, 403, target)
  // A form can send this without asking the server first; it is a text and not taken for JSON.
  const form = await fetch(`${url}/-/access/users`, {
    method: 'POST',
    headers: { ...session, 'content-type': 'text/plain' },
    body: JSON.stringify({ name: 'mallory', role: 'administrator', password }),
  })
  assert.equal(form.status, 400)
  assert.equal((await fetch(`${url}/api/user`, { headers: session })).status, 200)
})

test('names with script or paths in them are refused, wherever they are written', async (t) => {
  const { url, access } = await startWithPeople(t)
  for (const name of [
    '<img src=x onerror=alert(1)>',
    '../../etc/passwd',
    'a\r\nset-cookie: x=y',
    '\0',
  ])
    for (const kind of ['users', 'tokens']) {
      const body = { name, password, role: 'viewer', days: 1 }
      assert.equal((await post(`${url}/-/access/${kind}`, body, basic('ada'))).status, 400, name)
    }
  const odd = await post(
    `${url}/-/access/users`,
    { name: {}, password: [], role: 'root' },
    basic('ada'),
  )
  assert.equal(odd.status, 400)
  assert.deepEqual(
    (await readdir(access)).filter((name) => !name.startsWith('audit-')),
    ['users.json'],
  )
})

test('guesses are slowed at the login, also for names that nobody has', async (t) => {
  const { url } = await startWithPeople(t)
  const guess = async (user: string, n: number) =>
    (await post(`${url}/login`, { user, password: `guess ${n}` })).status
  const statuses = []
  for (let n = 0; n < 7; n++) statuses.push(await guess('ada', n))
  assert.deepEqual(statuses, [401, 401, 401, 401, 401, 429, 429])
  // The right password waits, too, so that a guess is never told by its answer.
  const right = await post(`${url}/login`, { user: 'ada', password })
  assert.equal(right.status, 429)
  assert.match(String(right.headers.get('retry-after')), /^\d+$/)
  let slowed = 0
  for (let n = 0; n < 12; n++) if ((await guess('nobody', n)) === 429) slowed++
  assert.ok(slowed > 0)
})

test('sessions outlive a restart, and end after their time', async (t) => {
  const { url, access, addresses } = await startWithPeople(t)
  const data = path.join(await temporaryFolder(t), 'data')
  const options = { listen: addresses.http!, access, data }
  const before = new GrafanaServer({ ...options, listen: 0 })
  await before.start()
  const port = new URL(`http://${before.addresses.http}`).port
  const session = await logIn(`http://${before.addresses.http}`, 'vera')
  await before.stop()
  assert.doesNotMatch(
    await readFile(path.join(data, 'sessions.json'), 'utf8'),
    new RegExp(session.cookie!.split('=')[1]!),
  )
  const after = await startConsole(t, { ...options, listen: Number(port) })
  assert.equal((await fetch(`${after.url}/api/user`, { headers: session })).status, 200)
  assert.equal((await fetch(`${url}/api/user`, { headers: session })).status, 401)
})

test('every change is written down with who, where and how it ended, and without secrets', async (t) => {
  const { url, access } = await startWithPeople(t)
  const session = await logIn(url, 'eve')
  await post(`${url}/api/dashboards/db?token=hidden`, { dashboard: { title: 'Mine' } }, session)
  await post(`${url}/-/access/users`, { name: 'mallory', role: 'viewer', password }, session)
  await post(`${url}/-/access/users`, { name: 'tom', role: 'viewer', password }, basic('ada'))
  await post(`${url}/login`, { user: 'mallory', password: 'hidden' })
  const answer = await fetch(`${url}/-/access/audit`, { headers: basic('ada') })
  const { lines } = (await answer.json()) as { lines: Record<string, unknown>[] }
  assert.deepEqual(
    lines.map(({ who, action, target, status, detail }) => [who, action, target, status, detail]),
    [
      ['mallory', 'login', 'session', 401, undefined],
      ['ada', 'POST', '/-/access/users', 201, 'tom, viewer, password'],
      ['ada', 'login', 'basic', 200, undefined],
      ['eve', 'POST', '/-/access/users', 403, undefined],
      ['eve', 'POST', '/api/dashboards/db', 200, undefined],
      ['eve', 'login', 'session', 200, undefined],
    ],
  )
  const files = (await readdir(access)).filter((name) => name.startsWith('audit-'))
  for (const name of files)
    assert.doesNotMatch(await readFile(path.join(access, name), 'utf8'), /hidden|correct horse/)
})

test('off loopback the first administrator needs the code that the terminal shows', async (t) => {
  const said: LogFields[] = []
  const data = path.join(await temporaryFolder(t), 'data')
  const server = new GrafanaServer(
    { listen: '0.0.0.0:0', data },
    { logger: { ...silentLogger, warn: (fields) => said.push(fields) } },
  )
  await server.start()
  t.after(() => server.stop({ deadlineMs: 500 }))
  const code = /#setup=(\w+)$/.exec(String(said[0]?.url))?.[1] ?? ''
  assert.match(code, /^\w{24}$/)
  const { port } = new URL(`http://${server.addresses.http}`)
  // As from another machine: an own address that is not loopback, or a proxy that runs here.
  const own = Object.values(networkInterfaces())
    .flat()
    .find((each) => each && !each.internal && each.family === 'IPv4')
  const url = `http://${own?.address ?? '127.0.0.1'}:${port}`
  const away = { 'x-forwarded-for': '192.0.2.1' }
  assert.equal((await fetch(`${url}/api/search`, { headers: away })).status, 401)
  const state = await (await fetch(`${url}/-/session`, { headers: away })).json()
  assert.deepEqual(state, { kind: 'setup', needsCode: true })
  const setUp = (given: string) =>
    post(`${url}/-/access/setup`, { name: 'ada', password, code: given }, away)
  assert.equal((await setUp('')).status, 403)
  assert.equal((await setUp('guess')).status, 403)
  assert.equal((await setUp(code)).status, 200)
  assert.equal((await setUp(code)).status, 403)
})

test('viewers look at devices, editors change them, and only the platform learns the token', async (t) => {
  const asked: string[] = []
  const platform = await startHttp(t, ({ method, url, headers }, response, body) => {
    if (url === '/-/events') return response.end()
    asked.push([method, url, headers.authorization, body].join(' '))
    response.setHeader('content-type', 'application/json')
    return response.end('[]')
  })
  const { url } = await startWithPeople(t, { platform, 'platform.token': 'of-this-run' })
  const send = async (
    method: string,
    target: string,
    who: Record<string, string>,
    body?: string,
  ) => {
    const headers = { ...who, ...(body ? { 'content-type': 'application/json' } : {}) }
    const answer = await fetch(url + target, { method, headers, ...(body ? { body } : {}) })
    assert.equal(answer.status >= 400 || answer.headers.get('cache-control') === 'no-store', true)
    return answer.status
  }
  const device = '{"name":"roof","place":"1"}'
  assert.equal(await send('GET', '/-/devices', {}), 401)
  for (const [method, target, body] of [
    ['POST', '/-/devices', device],
    ['POST', '/-/devices/roof/rotate'],
    ['POST', '/-/devices/roof/revoke'],
    ['DELETE', '/-/devices/roof'],
  ] as const) {
    assert.equal(await send(method, target, {}, body), 401, target)
    assert.equal(await send(method, target, basic('vera'), body), 403, target)
    const foreign = { ...basic('eve'), origin: 'http://evil.example' }
    assert.equal(await send(method, target, foreign, body), 403, target)
  }
  assert.deepEqual(asked, [])
  assert.equal(await send('GET', '/-/devices', basic('vera')), 200)
  assert.equal(await send('POST', '/-/devices?host=192.0.2.1', basic('eve'), device), 200)
  for (const target of [
    '/-/devices/..%2fparts/rotate',
    '/-/devices/%2e%2e/rotate',
    '/-/devices/a%20b/revoke',
  ])
    assert.equal(await send('POST', target, basic('eve')), 404, target)
  assert.deepEqual(asked, [
    'GET /-/devices Bearer of-this-run ',
    `POST /-/devices?host=192.0.2.1 Bearer of-this-run ${device}`,
  ])
})

test('viewers see what became of commands, editors give them, and only under their own names', async (t) => {
  const asked: [string, unknown][] = []
  const platform = await startHttp(t, ({ method, url, headers }, response, body) => {
    if (url === '/-/events') return response.end()
    asked.push([[method, url, headers.authorization].join(' '), body && JSON.parse(body)])
    response.setHeader('content-type', 'application/json')
    return response.end('{}')
  })
  const { url } = await startWithPeople(t, { platform, 'platform.token': 'of-this-run' })
  const command = { device: 'fan-1', action: 'fan', params: { seconds: 5 }, by: 'the director' }
  const send = async (method: string, who: Record<string, string>): Promise<number> => {
    const isPost = method === 'POST'
    const headers = { ...who, ...(isPost ? { 'content-type': 'application/json' } : {}) }
    const answer = await fetch(`${url}/-/commands${isPost ? '' : '?device=fan-1'}`, {
      method,
      headers,
      ...(isPost ? { body: JSON.stringify(command) } : {}),
    })
    return answer.status
  }
  assert.equal(await send('GET', {}), 401)
  assert.equal(await send('POST', {}), 401)
  assert.equal(await send('POST', basic('vera')), 403)
  assert.equal(await send('POST', { ...basic('eve'), origin: 'http://evil.example' }), 403)
  assert.deepEqual(asked, [])
  assert.equal(await send('GET', basic('vera')), 200)
  assert.equal(await send('POST', basic('eve')), 200)
  assert.deepEqual(asked, [
    ['GET /-/commands?device=fan-1 Bearer of-this-run', ''],
    ['POST /-/commands Bearer of-this-run', { ...command, by: 'eve' }],
  ])
  const answer = await fetch(`${url}/-/access/audit`, { headers: basic('ada') })
  const { lines } = (await answer.json()) as { lines: { who: string; detail?: string }[] }
  assert.ok(lines.some(({ who, detail }) => who === 'eve' && detail === 'fan-1, fan'))
})

test('the token for a part goes to that part, and to no other data source', async (t) => {
  const shown: (string | undefined)[] = []
  const prometheus = await startHttp(t, (request, response) => {
    shown.push(request.headers.authorization)
    response.end('{"status":"success","data":{"resultType":"matrix","result":[]}}')
  })
  const { app } = await startConsole(t, {
    prometheus,
    connect: prometheus,
    'prometheus.token': 'for-prometheus',
    'connect.token': 'for-connect',
  })
  await app.inject({
    method: 'POST',
    url: '/api/datasources',
    payload: { name: 'Other', type: 'prometheus', url: prometheus, access: 'proxy' },
  })
  await app.inject('/api/datasources/proxy/uid/prometheus/api/v1/query?query=up')
  await app.inject('/api/datasources/proxy/2/api/v1/query?query=up')
  await app.inject('/-/connect/connectors')
  assert.deepEqual(shown, ['Bearer for-prometheus', undefined, 'Bearer for-connect'])
})

test('the proxy does not lead out of the address that was configured', async (t) => {
  const asked: (string | undefined)[] = []
  const prometheus = await startHttp(t, (request, response) => {
    asked.push(request.url)
    response.end('{}')
  })
  const { app } = await startConsole(t, { prometheus: `${prometheus}/inside` })
  for (const tail of ['..%2Fadmin', '%2e%2e/admin', '..%5cadmin', '/evil.example/x'])
    await app.inject(`/api/datasources/proxy/uid/prometheus/${tail}`)
  assert.deepEqual(
    asked.filter((url) => !url?.startsWith('/inside/')),
    [],
  )
})

test('every answer carries the headers that keep a browser from running what is not ours', async (t) => {
  const { url } = await startWithPeople(t)
  for (const target of ['/', '/api/health', '/api/search', '/nothing.js']) {
    const { headers } = await fetch(url + target)
    const policy = String(headers.get('content-security-policy'))
    assert.match(policy, /frame-ancestors 'none'/)
    assert.doesNotMatch(policy, /unsafe/)
    assert.equal(headers.get('x-content-type-options'), 'nosniff')
  }
})

test('durations of sessions are written as Grafana writes them', () => {
  const options = resolveGrafanaOptions({ 'auth.login_maximum_lifetime_duration': '12h' })
  assert.equal(options['auth.login_maximum_lifetime_duration'], 43_200_000)
  assert.equal(options['auth.login_maximum_inactive_lifetime_duration'], 604_800_000)
  assert.throws(() => resolveGrafanaOptions({ 'auth.login_maximum_lifetime_duration': 'soon' }), {
    code: 'SETTINGS_INVALID',
  })
})
