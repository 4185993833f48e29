import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import {
  decodePhoneLink,
  type PhoneLink,
  phoneHash,
  readPhoneHash,
} from '../src/model/phone-link.ts'

const link: PhoneLink = {
  id: 'phone-1',
  name: 'มือถือของสมชาย',
  place: '32347983',
  topic: 'iot-frames',
  port: 9001,
  user: 'phone-1',
  password: 'p/+=?#&',
}

test('a phone’s address gives back which device it is', () => {
  assert.match(phoneHash(link), /^#phone=[\w-]+$/)
  assert.deepEqual(readPhoneHash(phoneHash(link)), link)
  const { user: _, password: __, ...open } = link
  assert.deepEqual(readPhoneHash(phoneHash(open)), open)
})

test('an address that is anything else is no device', () => {
  for (const wrong of [
    { ...link, topic: 'all/#' },
    { ...link, port: 0 },
    { ...link, port: 70_000 },
    { ...link, id: '' },
    { ...link, name: 'x'.repeat(300) },
  ])
    assert.equal(readPhoneHash(phoneHash(wrong)), undefined)
  for (const hash of [
    '',
    '#',
    '#phone=',
    '#phone=%%%',
    '#setup=abc',
    `#phone=${'A'.repeat(3_000)}`,
  ])
    assert.equal(readPhoneHash(hash), undefined)
  fc.assert(
    fc.property(fc.jsonValue(), fc.string(), (value, text) => {
      assert.equal(decodePhoneLink(JSON.stringify(value)), undefined)
      assert.equal(readPhoneHash(`#phone=${text}`), undefined)
    }),
  )
})
