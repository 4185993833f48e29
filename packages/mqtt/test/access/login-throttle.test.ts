import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LoginThrottle } from '../../src/access/login-throttle.ts'
import { PasswordChecks } from '../../src/access/password-checks.ts'
import {
  hashPassword,
  parseStoredPassword,
  type StoredPassword,
} from '../../src/access/stored-password.ts'

const address = '192.0.2.1'

test('the more wrong logins an address has sent, the longer the next one waits', () => {
  const throttle = new LoginThrottle({ delayMsMax: 2_000 })
  const delays: number[] = []
  for (let attempt = 0; attempt < 8; attempt++) {
    delays.push(throttle.delayMs(address, `user-${attempt}`, 0))
    throttle.failed(address, `user-${attempt}`, 0)
  }
  assert.deepEqual(delays, [0, 0, 0, 250, 500, 1_000, 2_000, 2_000])
  assert.equal(throttle.delayMs('192.0.2.2', 'user', 0), 0)
  assert.equal(throttle.slowedCount(0), 1)
  assert.equal(throttle.delayMs(address, 'user', 15 * 60_000 + 1), 0)
})

test('who has logged in from an address before does not wait for the faults of others', () => {
  const throttle = new LoginThrottle({ delayMsMax: 2_000 })
  throttle.succeeded(address, 'good')
  for (let attempt = 0; attempt < 6; attempt++) throttle.failed(address, 'bad', 0)
  assert.equal(throttle.delayMs(address, 'good', 0), 0)
  assert.equal(throttle.delayMs(address, 'bad', 0), 2_000)
  throttle.failed(address, 'good', 0)
  assert.equal(throttle.delayMs(address, 'good', 0), 2_000)
})

test('a network of IPv6 counts as one, an IPv4 address in its other form too', () => {
  const throttle = new LoginThrottle({ delayMsMax: 2_000 })
  for (let host = 0; host < 5; host++) throttle.failed(`2001:db8:0:1::${host}`, 'x', 0)
  assert.ok(throttle.delayMs('2001:db8::1:ffff:0:0:9', 'x', 0) > 0)
  assert.equal(throttle.delayMs('2001:db8:0:2::1', 'x', 0), 0)
  for (let attempt = 0; attempt < 5; attempt++) throttle.failed(`::ffff:${address}`, 'x', 0)
  assert.ok(throttle.delayMs(address, 'x', 0) > 0)
})

test('only so many logins of one address wait at once', () => {
  const throttle = new LoginThrottle({ delayMsMax: 2_000 })
  for (let attempt = 0; attempt < 4; attempt++) throttle.failed(address, 'x', 0)
  const ends = Array.from({ length: 16 }, () => throttle.wait(address))
  assert.equal(throttle.wait(address), undefined)
  ends[0]?.()
  assert.ok(throttle.wait(address))
})

test('what is remembered of a flood is bounded', () => {
  const throttle = new LoginThrottle({ delayMsMax: 2_000 })
  for (let index = 0; index < 30_000; index++) {
    const from = `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`
    for (let attempt = 0; attempt < 4; attempt++) throttle.failed(from, 'x', 0)
  }
  assert.equal(throttle.slowedCount(0), 10_000)
})

test('without a delay nothing is slowed and nothing remembered', () => {
  const throttle = new LoginThrottle({ delayMsMax: 0 })
  for (let attempt = 0; attempt < 9; attempt++) throttle.failed(address, 'x', 0)
  assert.equal(throttle.delayMs(address, 'x', 0), 0)
})

test('a few passwords are checked at once, and a flood of them is turned away', async () => {
  const stored = parseStoredPassword(await hashPassword('right', 1)) as StoredPassword
  const checks = new PasswordChecks(2)
  const all = Array.from({ length: 1_100 }, () => checks.check(stored, Buffer.from('right')))
  const answers = await Promise.all(all)
  assert.equal(answers.filter((answer) => answer === true).length, 1_002)
  assert.equal(answers.filter((answer) => answer === 'busy').length, 98)
  assert.equal(await checks.check(stored, Buffer.from('wrong')), false)
  assert.equal(await checks.check(stored, Buffer.from('right'), () => false), 'later')
})
