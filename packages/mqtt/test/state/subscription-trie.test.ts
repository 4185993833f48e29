import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isTopicFilter } from '../../src/protocol/topic.ts'
import { Message } from '../../src/state/message.ts'
import { RetainedStore } from '../../src/state/retained-store.ts'
import { Session } from '../../src/state/session.ts'
import { type Subscription, SubscriptionTrie } from '../../src/state/subscription-trie.ts'

/** Section 4.7, word for word and slow. */
function matches(filter: string, topic: string): boolean {
  if (topic.startsWith('$') && /^[+#]/.test(filter)) return false
  const wanted = filter.split('/')
  const levels = topic.split('/')
  for (const [index, level] of wanted.entries()) {
    if (level === '#') return true
    if (index >= levels.length || (level !== '+' && level !== levels[index])) return false
  }
  return wanted.length === levels.length
}

const level = fc.constantFrom('a', 'b', '', '$s')
const topic = fc.array(level, { minLength: 1, maxLength: 4 }).map((levels) => levels.join('/'))
const filter = fc
  .array(fc.constantFrom('a', 'b', '', '$s', '+', '#'), { minLength: 1, maxLength: 4 })
  .map((levels) => levels.join('/'))
  .filter(isTopicFilter)

function subscription(session: Session, written: string): Subscription {
  const options = { qos: 1, noLocal: false, retainAsPublished: false, subscriptionId: 0 } as const
  const place = { segment: undefined, recordBytes: 0 }
  return { session, written, filter: written, share: undefined, ...options, ...place }
}

test('the trie finds what a walk over all filters finds, after any adding and removing', () => {
  const step = fc.record({ filter, session: fc.nat({ max: 3 }), isRemoval: fc.boolean() })
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 30 }),
      fc.array(topic, { minLength: 1 }),
      (steps, topics) => {
        const sessions = [0, 1, 2, 3].map((number) => new Session(number, `c${number}`, 0))
        const trie = new SubscriptionTrie()
        const model = new Map<string, Subscription>()
        for (const { filter: written, session: number, isRemoval } of steps) {
          const key = `${number} ${written}`
          const one = subscription(sessions[number]!, written)
          if (isRemoval) {
            const known = model.get(key)
            if (known) trie.remove(known)
            model.delete(key)
          } else {
            trie.add(one)
            model.set(key, one)
          }
          assert.equal(trie.count, model.size)
        }
        for (const one of topics) {
          const expected = [...model.values()].filter((known) => matches(known.filter, one))
          const found = trie.match(one).targets
          assert.deepEqual(
            found.map(({ session }) => session.number).sort(),
            [...new Set(expected.map(({ session }) => session.number))].sort(),
          )
          assert.equal(found.flatMap(({ subscriptions }) => subscriptions).length, expected.length)
        }
      },
    ),
  )
})

test('the retained store finds what a walk over all topics finds', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(topic, fc.boolean()), { maxLength: 30 }),
      filter,
      (steps, wanted) => {
        const store = new RetainedStore()
        const model = new Set<string>()
        for (const [one, isRemoval] of steps) {
          if (isRemoval) {
            assert.equal(store.delete(one) !== undefined, model.delete(one))
          } else {
            store.set(message(one))
            model.add(one)
          }
          assert.equal(store.count, model.size)
        }
        const found = [...store.match(wanted)].map((kept) => kept.topic)
        assert.deepEqual(found.sort(), [...model].filter((one) => matches(wanted, one)).sort())
        if (model.size === 0) assert.equal(store.bytes, 0)
      },
    ),
  )
})

function message(topic: string): Message {
  const none = Buffer.alloc(0)
  const fields = { id: 1, payload: none, properties: none, qos: 1, retain: true } as const
  return new Message({ ...fields, topic, expiresAtMs: Number.POSITIVE_INFINITY, publisher: '' })
}
