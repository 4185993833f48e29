import assert from 'node:assert/strict'
import test from 'node:test'
import { type Alert, fingerprintOf, mergeAlerts } from '../../src/alertmanager/state/alert.ts'
import { Inhibitor } from '../../src/alertmanager/state/inhibitor.ts'
import { parseMatchers } from '../../src/alertmanager/state/matchers.ts'
import { needsNotification } from '../../src/alertmanager/state/notification-log.ts'
import { Route, type RouteConfig } from '../../src/alertmanager/state/route.ts'
import { Silences } from '../../src/alertmanager/state/silences.ts'
import { containsTime } from '../../src/alertmanager/state/time-interval.ts'

const at = Date.parse('2026-11-24T10:00:00Z')
const alertAt = (more: Partial<Alert> = {}): Alert => ({
  fingerprint: 'f',
  labels: { alertname: 'Hot' },
  annotations: {},
  startsAtMs: at,
  endsAtMs: at + 60_000,
  updatedAtMs: at,
  generatorUrl: '',
  isTimeout: false,
  ...more,
})
const route = (more: Partial<RouteConfig> = {}): RouteConfig => ({
  matchers: [],
  continue: false,
  mute_time_intervals: [],
  active_time_intervals: [],
  routes: [],
  ...more,
})

test('fingerprints are those of Alertmanager', () => {
  // Alertmanager 0.25.0 gave this one.
  assert.equal(fingerprintOf({ alertname: 'x', severity: 'page', team: 'a' }), '150f8fff90b15c08')
})

test('an alert that comes again keeps its start, and its end is the later one unless it was a guess', () => {
  const again = alertAt({
    startsAtMs: at + 10_000,
    endsAtMs: at + 90_000,
    updatedAtMs: at + 10_000,
  })
  assert.equal(mergeAlerts(alertAt(), again).startsAtMs, at)
  assert.equal(mergeAlerts(alertAt(), again).endsAtMs, at + 90_000)
  const sooner = alertAt({ endsAtMs: at + 30_000, updatedAtMs: at + 1_000 })
  assert.equal(mergeAlerts(alertAt(), sooner).endsAtMs, at + 60_000)
  assert.equal(mergeAlerts(alertAt({ isTimeout: true }), sooner).endsAtMs, at + 30_000)
  const over = alertAt({ endsAtMs: at + 5_000, updatedAtMs: at + 5_000 })
  assert.equal(mergeAlerts(alertAt(), over).endsAtMs, at + 5_000)
  const anew = alertAt({ startsAtMs: at + 120_000, endsAtMs: at + 180_000 })
  assert.equal(mergeAlerts(alertAt(), anew).startsAtMs, at + 120_000)
})

test('routes match the deepest, go on only after continue, and take over what is not written', () => {
  const tree = new Route(
    route({
      receiver: 'all',
      group_by: ['alertname'],
      group_wait: 1_000,
      routes: [
        route({
          receiver: 'log',
          matchers: parseMatchers('{severity=~"page|warn"}'),
          continue: true,
        }),
        route({
          receiver: 'team',
          matchers: parseMatchers('severity="page"'),
          group_by: ['...'],
          routes: [route({ matchers: parseMatchers('place="1"'), receiver: 'one' })],
        }),
      ],
    }),
  )
  const names = (labels: Record<string, string>) =>
    tree.match(labels).map(({ receiver }) => receiver)
  assert.deepEqual(names({ severity: 'page', place: '1' }), ['log', 'one'])
  assert.deepEqual(names({ severity: 'page' }), ['log', 'team'])
  assert.deepEqual(names({ severity: 'warn' }), ['log'])
  assert.deepEqual(names({}), ['all'])
  const [, one] = tree.match({ severity: 'page', place: '1' })
  assert.equal(one?.groupWaitMs, 1_000)
  assert.equal(one?.key, '{}/{severity="page"}/{place="1"}')
  assert.deepEqual(one?.groupLabels({ a: '1', b: '2' }), { a: '1', b: '2' })
  assert.equal(tree.groupKey(tree.groupLabels({ alertname: 'x', b: '2' })), '{}:{alertname="x"}')
})

test('matchers are read with quotes, commas and braces, and refused in words', () => {
  assert.deepEqual(parseMatchers('{a="x,\\"y", b!~c.*}').map(String), ['a="x,\\"y"', 'b!~"c.*"'])
  assert.throws(() => parseMatchers('foo'), /bad matcher format: foo/)
  assert.throws(() => parseMatchers('a=x"'), /unescaped double quote/)
})

test('an alert inhibits those of its rule with equal labels, but not itself', () => {
  const inhibitor = new Inhibitor([
    {
      source_matchers: parseMatchers('severity="critical"'),
      target_matchers: parseMatchers('severity=~"warning|critical"'),
      equal: ['place'],
    },
  ])
  const source = alertAt({ fingerprint: 's', labels: { severity: 'critical', place: '1' } })
  inhibitor.put(source)
  assert.deepEqual(inhibitor.inhibitedBy({ severity: 'warning', place: '1' }, at), ['s'])
  assert.deepEqual(inhibitor.inhibitedBy({ severity: 'warning', place: '2' }, at), [])
  assert.deepEqual(inhibitor.inhibitedBy(source.labels, at), [])
  assert.deepEqual(inhibitor.inhibitedBy({ severity: 'warning', place: '1' }, at + 60_000), [])
})

test('a receiver is told of what is new, of the end of all, and again after the repeat interval', () => {
  const entry = { key: 'k', firing: ['a'], resolved: [], timestampMs: at, expiresAtMs: at * 2 }
  const needs = (firing: string[], resolved: string[], nowMs = at, sendResolved = true) =>
    needsNotification(entry, { firing, resolved, nowMs }, { repeatIntervalMs: 1_000, sendResolved })
  assert.equal(needs(['a'], []), false)
  assert.equal(needs(['a', 'b'], []), true)
  assert.equal(needs([], ['a']), true)
  assert.equal(needs(['a'], ['b']), true)
  assert.equal(needs(['a'], ['b'], at, false), false)
  assert.equal(needs(['a'], [], at + 1_001), true)
  const first = (firing: string[]) =>
    needsNotification(
      undefined,
      { firing, resolved: ['x'], nowMs: at },
      { repeatIntervalMs: 1, sendResolved: true },
    )
  assert.equal(first([]), false)
  assert.equal(first(['a']), true)
})

test('a silence changes in place where it can, and else ends and begins anew', () => {
  const silences = new Silences()
  const given = {
    id: '',
    matchers: [{ name: 'a', value: 'b', isRegex: false, isEqual: true }],
    startsAtMs: at,
    endsAtMs: at + 60_000,
    createdBy: 'me',
    comment: 'c',
  }
  const { id } = silences.set(given, at)
  assert.deepEqual(silences.matching({ a: 'b' }, at), [id])
  assert.deepEqual(silences.matching({ a: 'c' }, at), [])
  assert.equal(silences.set({ ...given, id, endsAtMs: at + 90_000 }, at + 10).id, id)
  const changed = silences.set(
    { ...given, id, matchers: [{ ...given.matchers[0]!, value: 'c' }] },
    at + 20,
  )
  assert.notEqual(changed.id, id)
  assert.equal(Silences.stateOf(silences.get(id)!, at + 20), 'expired')
  silences.expire(changed.id, at + 30)
  assert.throws(() => silences.expire(changed.id, at + 31), { code: 'ALERTMANAGER_BAD_REQUEST' })
  assert.throws(() => silences.expire('none', at), { code: 'ALERTMANAGER_NOT_FOUND' })
  silences.forget(1_000, at + 100_000)
  assert.deepEqual(silences.all(), [])
})

test('time intervals know days, months from their end, and zones', () => {
  const time = (text: string) => Date.parse(text)
  const office = {
    times: [{ startMinute: 9 * 60, endMinute: 17 * 60 }],
    weekdays: [{ from: 1, to: 5 }],
    location: 'Asia/Bangkok',
  }
  assert.equal(containsTime(office, time('2026-11-24T02:00:00Z')), true)
  assert.equal(containsTime(office, time('2026-11-24T10:00:00Z')), false)
  assert.equal(containsTime(office, time('2026-11-22T03:00:00Z')), false)
  const last = { days_of_month: [{ from: -1, to: -1 }], months: [{ from: 2, to: 2 }] }
  assert.equal(containsTime(last, time('2028-02-29T00:00:00Z')), true)
  assert.equal(containsTime(last, time('2028-02-28T00:00:00Z')), false)
  assert.equal(
    containsTime({ years: [{ from: 2026, to: 2026 }] }, time('2027-01-01T00:00:00Z')),
    false,
  )
})
