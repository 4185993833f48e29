import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parsePasswordFile, withPassword } from '../../src/access/password-file.ts'
import {
  hashPassword,
  isPassword,
  parseStoredPassword,
  type StoredPassword,
} from '../../src/access/stored-password.ts'

// Made by mosquitto_passwd 2.0.11: alice by default, bob by -H sha512. The third is of the test
// vectors of the reference implementation of Argon2 (version 0x13, t=2, m=65536, p=1).
const file = `# users
alice:$7$101$lTB1taSAZmwIXsJf$NhWLd2kU3AcxhUPvMifGdL1Y28Phz+kXLrEipx42pvwcwb2kT/YPL7SlN6S5v07BFg4gLTUYQgb1PloG6Qrzyw==

bob:$6$Sg4lvXwgPmcn74G7$aj0Y5zWSE4KpxwrQXqfVg3jmvg9Nlf3dSwtNGaxNCbanh8buhdyeWibR2sOhi/4INCg4upV6DvdIb/FTsceIiA==
carol : $argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc
`

test('passwords of all hashes that mosquitto_passwd writes are known again', async () => {
  const table = parsePasswordFile(file, 'passwd')
  assert.deepEqual([...table.keys()], ['alice', 'bob', 'carol'])
  for (const [name, password] of [
    ['alice', 'secret'],
    ['bob', 'secret'],
    ['carol', 'password'],
  ] as const) {
    const stored = table.get(name)!
    assert.equal(await isPassword(stored, Buffer.from(password)), true, name)
    assert.equal(await isPassword(stored, Buffer.from(`${password} `)), false, name)
    assert.equal(await isPassword(stored, Buffer.alloc(0)), false, name)
  }
})

test('a password that is hashed here is one of mosquitto_passwd', async () => {
  const hash = await hashPassword('geheim: ไทย', 1_000)
  assert.match(hash, /^\$7\$1000\$[A-Za-z0-9+/]{16}\$[A-Za-z0-9+/]{86}==$/)
  const stored = parseStoredPassword(hash) as StoredPassword
  assert.equal(await isPassword(stored, Buffer.from('geheim: ไทย')), true)
  assert.notEqual(await hashPassword('geheim: ไทย', 1_000), hash)
})

test('a line that cannot be used is refused with its number and the reason', () => {
  const hash = 'A'.repeat(86)
  const wrong: [string, RegExp][] = [
    ['alice', /passwd:2: expected USERNAME:HASH/],
    [':$6$AAAA$AAAA', /passwd:2: a username is missing/],
    ['alice:secret', /passwd:2: user alice: .*a plain password is not taken/],
    ['alice:', /passwd:2: user alice: a hash is missing/],
    ['alice:$5$AAAA$AAAA', /hash type 5 is not known/],
    [`alice:$7$0$AAAA$${hash}==`, /expected 1 to/],
    [`alice:$7$1e9$AAAA$${hash}==`, /expected 1 to/],
    ['alice:$7$101$AAAA$AAAA', /expected a hash of 64 bytes/],
    [`alice:$6$!$${hash}==`, /the hash is not whole/],
    ['alice:$argon2id$v=19$m=9999999,t=2,p=1$c29tZXNhbHQ$AAAA', /argon2id is taken up to/],
    ['alice:$argon2id$v=16$m=64,t=2,p=1$c29tZXNhbHQ$AAAA', /expected version 19/],
    [`alice:$6$AAAA$${hash}==\nalice:$6$AAAA$${hash}==`, /passwd:3: user alice .*second time/],
  ]
  for (const [line, expected] of wrong)
    assert.throws(() => parsePasswordFile(`# first\n${line}\n`, 'passwd'), expected)
})

test('a user is added, changed and removed, and all other lines stay', () => {
  const changed = withPassword(file, 'bob', 'NEW')
  assert.deepEqual(
    changed.split('\n').filter((line, index) => line !== file.split('\n')[index]),
    ['bob:NEW'],
  )
  const added = withPassword(file, 'dave', 'HASH')
  assert.equal(added, `${file}dave:HASH\n`)
  assert.equal(withPassword(added, 'dave', undefined), file)
  assert.equal(withPassword('', 'eve', 'HASH'), 'eve:HASH\n')
  assert.equal(withPassword(file, 'nobody', undefined), file)
})

test('what is written for any users is read as it was', () => {
  const name = fc.stringMatching(/^[^:#\s]([^:\r\n]{0,8}[^:\s])?$/)
  const hash = `$6$AAAA$${'A'.repeat(86)}==`
  fc.assert(
    fc.property(fc.array(name, { maxLength: 8 }), fc.array(fc.nat({ max: 7 })), (names, gone) => {
      let text = '# users\n'
      const expected = new Set<string>()
      for (const one of names) {
        text = withPassword(text, one, hash)
        expected.add(one)
      }
      for (const index of gone) {
        const one = names[index]
        if (one === undefined) continue
        text = withPassword(text, one, undefined)
        expected.delete(one)
      }
      assert.deepEqual([...parsePasswordFile(text, 'f').keys()].sort(), [...expected].sort())
    }),
  )
})

test('any text is a table or an error that names file and line', () => {
  const part = fc.constantFrom('$', ':', '\n', '7', '6', 'argon2id', 'v=19', 'm=8,t=1,p=1', 'AAAA')
  const text = fc.oneof(
    fc.string(),
    fc.array(part).map((parts) => parts.join('')),
  )
  fc.assert(
    fc.property(text, (written) => {
      try {
        parsePasswordFile(written, 'f')
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'SETTINGS_INVALID')
        assert.match((error as Error).message, /^f:\d+: /)
      }
    }),
    { numRuns: 2_000 },
  )
})
