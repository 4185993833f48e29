import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type Acl,
  AclOperation,
  AclPermission,
  Authorizer,
  PatternType,
  ResourceType,
} from '../../src/state/acls.ts'

const alice = { principal: 'User:alice', host: '127.0.0.1' }

const acl = (change: Partial<Acl>): Acl => ({
  resourceType: ResourceType.topic,
  resourceName: 'frames',
  patternType: PatternType.literal,
  principal: 'User:alice',
  host: '*',
  operation: AclOperation.read,
  permission: AclPermission.allow,
  ...change,
})

function authorizer(acls: readonly Acl[], isEveryoneAllowedWithoutAcl = false): Authorizer {
  const made = new Authorizer({
    isEnabled: true,
    isEveryoneAllowedWithoutAcl,
    superUsers: new Set(['User:admin']),
  })
  made.replace(acls)
  return made
}

const mayRead = (found: Authorizer, topic = 'frames', client = alice): boolean =>
  found.isAllowed(client, AclOperation.read, ResourceType.topic, topic)

test('a super user may do everything, with and without ACLs', () => {
  const admin = { principal: 'User:admin', host: '10.0.0.1' }
  const denial = acl({ principal: 'User:*', permission: AclPermission.deny })
  for (const acls of [[], [denial]]) assert.ok(mayRead(authorizer(acls), 'frames', admin))
})

test('names, prefixes and stars are looked up together, and a denial wins', () => {
  const allowed = [
    acl({}),
    acl({ resourceName: 'fr', patternType: PatternType.prefixed }),
    acl({ resourceName: '*' }),
    acl({ principal: 'User:*' }),
    acl({ operation: AclOperation.all }),
    acl({ host: '127.0.0.1' }),
  ]
  for (const one of allowed) {
    assert.ok(mayRead(authorizer([one])), JSON.stringify(one))
    for (const other of allowed) {
      const denial = { ...other, permission: AclPermission.deny }
      assert.ok(!mayRead(authorizer([one, denial])), JSON.stringify(other))
    }
  }
  for (const one of [
    acl({ resourceName: 'frame' }),
    acl({ resourceName: 'frames-', patternType: PatternType.prefixed }),
    acl({ principal: 'User:Alice' }),
    acl({ principal: 'Group:*' }),
    acl({ host: '127.0.0.2' }),
    acl({ operation: AclOperation.write }),
    acl({ resourceType: ResourceType.group }),
  ])
    assert.ok(!mayRead(authorizer([one])), JSON.stringify(one))
})

test('where a resource has no ACL the setting decides, and where it has one it does not', () => {
  assert.ok(mayRead(authorizer([], true)))
  assert.ok(mayRead(authorizer([acl({ resourceName: 'other' })], true)))
  assert.ok(!mayRead(authorizer([acl({ principal: 'User:bob' })], true)))
})

test('who may read, write, delete or alter may describe', () => {
  for (const [operation, implied] of [
    [AclOperation.read, true],
    [AclOperation.write, true],
    [AclOperation.delete, true],
    [AclOperation.alter, true],
    [AclOperation.create, false],
    [AclOperation.alterConfigs, false],
  ] as const)
    assert.equal(
      authorizer([acl({ operation })]).isAllowed(
        alice,
        AclOperation.describe,
        ResourceType.topic,
        'frames',
      ),
      implied,
    )
})

test('a right to some resource of a type counts unless it is denied by a wider rule (KIP-679)', () => {
  const write = { operation: AclOperation.write }
  const may = (acls: readonly Acl[], everyone = false): boolean =>
    authorizer(acls, everyone).isAllowedSomewhere(alice, AclOperation.write, ResourceType.topic)
  const denied = { ...write, permission: AclPermission.deny }
  const prefix = { patternType: PatternType.prefixed }
  assert.ok(may([acl(write)]))
  assert.ok(may([acl({ ...write, ...prefix, resourceName: 'fr' })]))
  assert.ok(!may([]))
  assert.ok(may([], true))
  assert.ok(!may([acl(write), acl({ ...denied, resourceName: '*' })], true))
  assert.ok(!may([acl(write), acl({ ...denied, ...prefix, resourceName: 'fra' })]))
  assert.ok(!may([acl(write), acl(denied)]))
  assert.ok(may([acl({ ...write, resourceName: '*' }), acl(denied)]))
})
