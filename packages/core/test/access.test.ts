import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import test, { type TestContext } from 'node:test'
import {
  AccessStore,
  AuditLog,
  openAccess,
  type PartAccess,
  readAudit,
} from '../src/access/index.ts'
import { newToken } from '../src/secrets.ts'
import { eventually, FakeClock, temporaryFolder } from '../src/testing/index.ts'

const scrypt = { cost: 16, blockSize: 1, parallelization: 1 }
const here = { host: '127.0.0.1', port: 0 }
const everywhere = { host: '0.0.0.0', port: 0 }
const ada = { name: 'ada', password: 'correct horse' }

async function openStore(t: TestContext, folder: string): Promise<AccessStore> {
  const store = new AccessStore({ folder, scrypt })
  await store.open()
  t.after(() => store.close())
  return store
}

/** A server with a guard before it that answers "in". */
async function startGuarded(
  t: TestContext,
  open: Partial<Parameters<typeof openAccess>[2]> & { listen?: typeof here } = {},
): Promise<PartAccess & { url: string; folder: string }> {
  const folder = path.join(await temporaryFolder(t), 'access')
  const { listen = everywhere, ...settings } = open
  const access = await openAccess(
    'test',
    listen,
    { access: folder, 'access.required': false, allow_anonymous: false, ...settings },
    {},
    { scrypt, isChallenging: true },
  )
  t.after(() => access.close())
  const server = createServer(async (request, response) => {
    const refusal = await access.guard.admit(request)
    response.writeHead(refusal?.status ?? 200, refusal?.headers ?? {})
    response.end(refusal?.message ?? access.guard.identityOf(request)?.name)
    access.guard.answered(request, response.statusCode)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return Object.assign(access, { url, folder })
}

const basic = (name: string, password: string): Record<string, string> => ({
  authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`,
})
const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` })

test('users are there for whoever opens the folder, and one change does not undo another', async (t) => {
  const folder = await temporaryFolder(t)
  const [one, two] = [await openStore(t, folder), await openStore(t, folder)]
  await one.addFirstAdministrator(ada)
  await Promise.all(
    ['b', 'c', 'd', 'e', 'f', 'g'].map((name, index) =>
      (index % 2 === 0 ? one : two).addUser({ name, role: 'viewer', password: 'long enough' }),
    ),
  )
  const third = await openStore(t, folder)
  assert.equal(third.accounts.users.length, 7)
  assert.equal((await third.verify('ADA', ada.password))?.role, 'administrator')
  assert.equal(await third.verify('ada', 'wrong horse'), undefined)
  assert.equal(await third.verify('nobody', ada.password), undefined)
  assert.deepEqual(await readdir(folder), ['users.json'])
  const text = await readFile(path.join(folder, 'users.json'), 'utf8')
  assert.doesNotMatch(text, /horse|enough/)
})

test('a change of another process is seen without a restart, and a damaged file changes nothing', async (t) => {
  const folder = await temporaryFolder(t)
  const [one, two] = [await openStore(t, folder), await openStore(t, folder)]
  let changes = 0
  two.onChange(() => changes++)
  await one.addFirstAdministrator(ada)
  await eventually(() => assert.equal(two.hasUsers, true))
  assert.equal(changes, 1)
  await writeFile(path.join(folder, 'users.json'), '{')
  await assert.rejects(() => two.setRole('ada', 'viewer'), { code: 'ACCESS_FILE_DAMAGED' })
  assert.equal(two.hasUsers, true)
  await assert.rejects(() => openStore(t, folder), { code: 'ACCESS_FILE_DAMAGED' })
})

test('of two who set up at once one is refused, and weak passwords are', async (t) => {
  const folder = await temporaryFolder(t)
  const [one, two] = [await openStore(t, folder), await openStore(t, folder)]
  await assert.rejects(() => one.addFirstAdministrator({ name: 'ada', password: 'short' }), {
    code: 'ACCESS_INVALID',
  })
  const both = await Promise.allSettled([
    one.addFirstAdministrator(ada),
    two.addFirstAdministrator({ ...ada, name: 'mallory' }),
  ])
  assert.deepEqual(both.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
})

test('a token is known until it is revoked or ends, and its text is nowhere on disk', async (t) => {
  const folder = await temporaryFolder(t)
  const clock = new FakeClock()
  const store = new AccessStore({ folder, scrypt, clock })
  await store.open()
  await store.addFirstAdministrator(ada)
  const token = await store.createToken({
    name: 'ci',
    role: 'viewer',
    createdBy: 'ada',
    expiresMs: clock.nowMs() + 1_000,
  })
  assert.equal(store.verifyToken(token)?.name, 'ci')
  assert.equal(store.verifyToken(`${token}x`), undefined)
  assert.doesNotMatch(
    await readFile(path.join(folder, 'users.json'), 'utf8'),
    new RegExp(token.slice(8, 30)),
  )
  clock.advance(1_000)
  assert.equal(store.verifyToken(token), undefined)
  await store.close()
})

test('off loopback everybody must say who they are, and may do what their role allows', async (t) => {
  const { url, store, folder, ...access } = await startGuarded(t)
  assert.equal((await fetch(url)).status, 401)
  await store!.addFirstAdministrator(ada)
  await store!.addUser({ name: 'vera', role: 'viewer', password: 'long enough' })
  const viewer = basic('vera', 'long enough')
  const refused = await fetch(url)
  assert.match(String(refused.headers.get('www-authenticate')), /^Basic /)
  assert.equal(await (await fetch(url, { headers: viewer })).text(), 'vera')
  assert.equal((await fetch(url, { method: 'POST', headers: viewer })).status, 403)
  assert.equal(
    (
      await fetch(`${url}/connectors?secret=1`, {
        method: 'POST',
        headers: basic('ada', ada.password),
      })
    ).status,
    200,
  )
  const token = await store!.createToken({
    name: 'ci',
    role: 'editor',
    createdBy: 'ada',
    expiresMs: null,
  })
  assert.equal((await fetch(url, { method: 'DELETE', headers: bearer(token) })).status, 200)
  assert.equal((await fetch(url, { headers: basic('api_key', token) })).status, 200)
  await store!.setRole('vera', 'editor')
  assert.equal((await fetch(url, { method: 'PUT', headers: viewer })).status, 200)
  await store!.setPassword('vera', 'another one')
  assert.equal((await fetch(url, { headers: viewer })).status, 401)
  await store!.revokeToken('ci')
  assert.equal((await fetch(url, { headers: bearer(token) })).status, 401)
  await access.audit!.flush()
  const entries = await readAudit(folder, { limit: 50 })
  assert.deepEqual(
    entries
      .filter(({ action }) => action !== 'login')
      .map(({ who, kind, action, target, status }) => [who, kind, action, target, status])
      .reverse(),
    [
      ['vera', 'user', 'POST', '/', 403],
      ['ada', 'user', 'POST', '/connectors', 200],
      ['ci', 'token', 'DELETE', '/', 200],
      ['vera', 'user', 'PUT', '/', 200],
    ],
  )
  const written = await Promise.all(
    (await readdir(folder)).map((name) => readFile(path.join(folder, name), 'utf8')),
  )
  assert.doesNotMatch(written.join(), new RegExp(`${token}|correct horse|long enough|secret`))
})

test('forged credentials of any form are refused', async (t) => {
  const { url, store } = await startGuarded(t)
  await store!.addFirstAdministrator(ada)
  for (const authorization of [
    'Bearer',
    'Bearer ',
    `Bearer ${newToken()}`,
    'Bearer undefined',
    `Bearer ${'a'.repeat(8_000)}`,
    'Basic',
    'Basic !!!!',
    `Basic ${Buffer.from('ada').toString('base64')}`,
    `Basic ${Buffer.from('ada:').toString('base64')}`,
    `Basic ${Buffer.from(':').toString('base64')}`,
    `Basic ${Buffer.from('api_key:').toString('base64')}`,
    `Basic ${Buffer.from('__proto__:x').toString('base64')}`,
    'Digest username="ada"',
    'Negotiate AAAA',
  ])
    assert.equal((await fetch(url, { headers: { authorization } })).status, 401, authorization)
})

test('on loopback without users all is open, but not for the pages of others', async (t) => {
  const { url } = await startGuarded(t, { listen: here })
  assert.equal((await fetch(url, { method: 'POST' })).status, 200)
  const foreign = { origin: 'https://evil.example' }
  assert.equal((await fetch(url, { method: 'POST', headers: foreign })).status, 403)
  assert.equal((await fetch(url, { headers: foreign })).status, 200)
})

test('credentials that a browser adds by itself do not help the page of another', async (t) => {
  const { url, store } = await startGuarded(t)
  await store!.addFirstAdministrator(ada)
  const headers = { ...basic('ada', ada.password), 'sec-fetch-site': 'cross-site' }
  assert.equal((await fetch(url, { method: 'POST', headers })).status, 403)
})

test('who guesses a password is slowed, and told for how long', async (t) => {
  const { url, store, guard } = await startGuarded(t)
  await store!.addFirstAdministrator(ada)
  const statuses: number[] = []
  for (let n = 0; n < 8; n++)
    statuses.push((await fetch(url, { headers: basic('ada', `guess ${n}`) })).status)
  assert.deepEqual(statuses, [401, 401, 401, 401, 401, 429, 429, 429])
  const answer = await fetch(url, { headers: basic('ada', ada.password) })
  assert.equal(answer.status, 429)
  assert.match(String(answer.headers.get('retry-after')), /^\d+$/)
  assert.equal(guard.limiter.refused, 4)
})

test('a script that sends its password with each request is checked once', async (t) => {
  const { url, store } = await startGuarded(t)
  await store!.addFirstAdministrator(ada)
  const answers = await Promise.all(
    Array.from({ length: 60 }, () => fetch(url, { headers: basic('ada', ada.password) })),
  )
  assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200])
})

test('the clients of the same run come in by its token, and nobody else does', async (t) => {
  const token = newToken()
  const { url } = await startGuarded(t, { 'access.token': token })
  assert.equal((await fetch(url, { method: 'POST', headers: bearer(token) })).status, 200)
  assert.equal((await fetch(url, { headers: bearer(newToken()) })).status, 401)
})

test('a listener that others reach needs a folder of users', async () => {
  const settings = { 'access.required': false, allow_anonymous: false }
  await assert.rejects(() => openAccess('test', everywhere, settings, {}), {
    code: 'ACCESS_REQUIRED',
  })
  await assert.rejects(
    () => openAccess('test', here, { ...settings, 'access.required': true }, {}),
    {
      code: 'ACCESS_REQUIRED',
    },
  )
  const open = await openAccess('test', here, settings, {})
  assert.equal(open.guard.isOpen, true)
  const asked = await openAccess('test', everywhere, { ...settings, allow_anonymous: true }, {})
  assert.equal(asked.guard.isOpen, true)
})

test('the audit log keeps the newest of what fits, and a torn line is passed over', async (t) => {
  const folder = await temporaryFolder(t)
  const log = new AuditLog({ folder, part: 'test', bytesMax: 2_000, filesMax: 3 })
  for (let n = 0; n < 100; n++) {
    log.add({ who: 'ada', kind: 'user', from: '::1', action: 'PUT', target: `/${n}`, status: 200 })
    await log.flush()
  }
  const names = (await readdir(folder)).sort()
  assert.deepEqual(names, ['audit-test.1.jsonl', 'audit-test.2.jsonl', 'audit-test.jsonl'])
  await writeFile(path.join(folder, 'audit-other.jsonl'), '{"atMs":1,"action":"PU')
  const [newest, ...rest] = await readAudit(folder, { limit: 10 })
  assert.deepEqual([newest?.target, rest.length], ['/99', 9])
})
