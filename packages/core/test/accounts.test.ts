import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import {
  type Accounts,
  accountName,
  addToken,
  addUser,
  changeUser,
  decodeAccounts,
  encodeAccounts,
  findToken,
  findUser,
  noAccounts,
  removeToken,
  removeUser,
} from '../src/access/accounts.ts'
import { LoginLimiter } from '../src/access/login-limiter.ts'
import { isFromHere, mayChange } from '../src/access/origin-check.ts'
import { hashPassword, verifyPassword } from '../src/access/password.ts'
import { newPassword, newToken } from '../src/secrets.ts'

const cheap = { cost: 16, blockSize: 1, parallelization: 1 }
const password = await hashPassword('long enough', cheap)
const digest = 'a'.repeat(64)
const one = addUser(noAccounts, { name: 'Ada', role: 'administrator', password }, 1)

test('names have one form, and what is not a name is refused', () => {
  assert.equal(accountName('Ada'), 'ada')
  assert.equal(accountName('สมชาย'), 'สมชาย')
  assert.equal(accountName('e\u0301ve'), 'éve')
  for (const name of ['', '<script>alert(1)</script>', '../users', 'a/b', 'a b', '.hidden', 'a:b'])
    assert.throws(() => accountName(name), { code: 'ACCESS_INVALID' }, name)
  assert.throws(() => accountName('api_key'), { code: 'ACCESS_INVALID' })
  assert.throws(() => accountName('a'.repeat(65)), { code: 'ACCESS_INVALID' })
})

test('the first user is an administrator, and the last one stays', () => {
  const editor = { name: 'eve', role: 'editor', password } as const
  assert.throws(() => addUser(noAccounts, editor, 1), { code: 'ACCESS_LAST_ADMINISTRATOR' })
  assert.throws(() => addUser(one, { ...editor, name: 'ADA' }, 1), { code: 'ACCESS_EXISTS' })
  const two = addUser(one, editor, 2)
  assert.throws(() => removeUser(two, 'ada'), { code: 'ACCESS_LAST_ADMINISTRATOR' })
  assert.throws(() => changeUser(two, 'ada', { role: 'viewer' }, 3), {
    code: 'ACCESS_LAST_ADMINISTRATOR',
  })
  const handed = removeUser(changeUser(two, 'eve', { role: 'administrator' }, 3), 'ada')
  assert.deepEqual(
    handed.users.map(({ name }) => name),
    ['eve'],
  )
  assert.throws(() => removeUser(handed, 'ada'), { code: 'ACCESS_UNKNOWN' })
})

test('a changed password says since when, a changed role does not', () => {
  assert.equal(findUser(changeUser(one, 'ada', { password }, 9), 'ada')?.passwordChangedMs, 9)
  assert.equal(
    findUser(changeUser(one, 'ada', { role: 'administrator' }, 9), 'ADA')?.passwordChangedMs,
    1,
  )
})

test('a token is found by its digest until it ends or is removed', () => {
  const token = { name: 'ci', role: 'viewer', digest, createdBy: 'ada', expiresMs: 100 } as const
  const accounts = addToken(one, token, 1)
  assert.equal(findToken(accounts, digest, 99)?.name, 'ci')
  assert.equal(findToken(accounts, digest, 100), undefined)
  assert.equal(findToken(removeToken(accounts, 'CI'), digest, 1), undefined)
  assert.throws(() => addToken(accounts, token, 1), { code: 'ACCESS_EXISTS' })
  assert.throws(() => addToken(one, { ...token, expiresMs: 1 }, 1), { code: 'ACCESS_INVALID' })
  assert.throws(() => removeToken(one, 'ci'), { code: 'ACCESS_UNKNOWN' })
})

test('the file gives back what was written, and nothing else is read', () => {
  const accounts: Accounts = addToken(
    one,
    { name: 'ci', role: 'editor', digest, createdBy: 'ada', expiresMs: null },
    5,
  )
  const text = encodeAccounts(accounts)
  assert.deepEqual(decodeAccounts(text, 'users.json'), accounts)
  assert.throws(() => decodeAccounts(text.replace('"version": 1', '"version": 2'), 'users.json'), {
    code: 'ACCESS_FILE_NEWER',
  })
  for (const damaged of [
    '',
    'null',
    '[]',
    text.slice(0, -9),
    text.replace('administrator', 'root'),
    text.replace('"cost": 16', '"cost": 1073741824'),
    text.replace(digest, 'short'),
  ])
    assert.throws(() => decodeAccounts(damaged, 'users.json'), { code: 'ACCESS_FILE_DAMAGED' })
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      assert.throws(() => decodeAccounts(JSON.stringify(value), 'users.json'), {
        code: 'ACCESS_FILE_DAMAGED',
      })
    }),
  )
})

test('a password is right in any composition of its letters, and nobody is nobody', async () => {
  const stored = await hashPassword('\u00e9t\u00e9 2026', cheap)
  assert.equal(await verifyPassword('e\u0301te\u0301 2026', stored), true)
  assert.equal(await verifyPassword('ete 2026', stored), false)
  assert.equal(await verifyPassword('ete 2026', undefined, cheap), false)
})

test('few passwords wait to be checked; the others are told to come again', async () => {
  const answers = await Promise.allSettled(
    Array.from({ length: 40 }, () => verifyPassword('x', undefined, cheap)),
  )
  const refused = answers.filter(({ status }) => status === 'rejected')
  assert.equal(refused.length, 24)
  assert.equal((refused[0] as PromiseRejectedResult).reason.code, 'ACCESS_BUSY')
  assert.equal(await verifyPassword('long enough', password), true)
})

test('secrets are of random letters, and never twice the same', () => {
  assert.match(newToken(), /^khlong_[\w-]{43}$/)
  assert.match(newPassword(24), /^[a-hjkmnp-z2-9]{24}$/)
  assert.equal(new Set(Array.from({ length: 200 }, () => newPassword(10))).size, 200)
})

test('who guesses waits longer each time, and the right password still comes through elsewhere', () => {
  const limiter = new LoginLimiter()
  for (let n = 0; n < 5; n++) assert.equal(limiter.attempt('192.0.2.1', 'ada', 0), 0)
  assert.equal(limiter.attempt('192.0.2.1', 'ADA', 0), 1_000)
  assert.equal(limiter.attempt('192.0.2.1', 'ada', 1_000), 0)
  assert.equal(limiter.attempt('192.0.2.1', 'ada', 1_001), 1_999)
  assert.equal(limiter.attempt('192.0.2.2', 'ada', 1_001), 0)
  limiter.succeeded('192.0.2.2', 'ada')
  assert.deepEqual([limiter.failed, limiter.refused], [6, 2])
  // After a quarter of an hour without a try all is forgotten.
  assert.equal(limiter.attempt('192.0.2.1', 'ada', 17 * 60_000), 0)
})

test('one address cannot try many names, and one IPv6 network is one address', () => {
  const limiter = new LoginLimiter()
  for (let n = 0; n < 20; n++)
    assert.equal(limiter.attempt(`2001:db8::${n}`, `user${n}`, 0), 0, `attempt ${n}`)
  assert.equal(limiter.attempt('2001:db8::ffff', 'other', 0), 1_000)
  assert.equal(limiter.attempt('2001:db8:0:1::1', 'other', 0), 0)
})

test('many right logins at once are all let in', () => {
  const limiter = new LoginLimiter()
  assert.equal(limiter.attempt('192.0.2.1', 'ada', 0), 0)
  limiter.succeeded('192.0.2.1', 'ada')
  assert.deepEqual([limiter.size, limiter.failed], [0, 0])
})

test('a flood of addresses and names is forgotten, not collected', () => {
  const limiter = new LoginLimiter({ talliesMax: 100 })
  for (let n = 0; n < 5_000; n++) limiter.attempt(`198.51.${n % 250}.${n >> 5}`, `u${n}`, n)
  assert.equal(limiter.size, 100)
})

test('changes come from this very page; without a login, under a name of this machine only', () => {
  const may = (headers: Record<string, string>, ownNamesOnly = true): boolean =>
    mayChange({ host: '127.0.0.1:3000', ...headers }, { ownNamesOnly })
  assert.equal(may({}), true)
  assert.equal(may({ origin: 'http://127.0.0.1:3000' }), true)
  assert.equal(may({ origin: 'http://127.0.0.1:9999' }), false)
  assert.equal(may({ origin: 'https://evil.example' }), false)
  assert.equal(may({ origin: 'null' }), false)
  assert.equal(may({ 'sec-fetch-site': 'cross-site' }), false)
  assert.equal(may({ 'sec-fetch-site': 'same-site', origin: 'http://127.0.0.1:3000' }), false)
  const named = { host: 'evil.example', origin: 'http://evil.example' }
  assert.equal(may(named), false)
  assert.equal(may(named, false), true)
})

test('a request through a proxy, or under a foreign name, is not one from here', () => {
  const from = (remoteAddress: string, headers: Record<string, string>): boolean =>
    isFromHere({ headers, socket: { remoteAddress } })
  assert.equal(from('127.0.0.1', { host: 'localhost:3000' }), true)
  assert.equal(from('::ffff:127.0.0.1', { host: '127.0.0.1:3000' }), true)
  assert.equal(from('::1', { host: '[::1]:3000' }), true)
  assert.equal(from('192.0.2.1', { host: 'localhost:3000' }), false)
  assert.equal(from('127.0.0.1', { host: 'evil.example' }), false)
  assert.equal(from('127.0.0.1', { host: 'localhost', 'x-forwarded-for': '192.0.2.1' }), false)
})
