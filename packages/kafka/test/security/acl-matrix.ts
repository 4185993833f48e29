import assert from 'node:assert/strict'
import { eventually } from '@khlong/core/testing'
import { ApiKey, apiInfo, loadCodec } from '@khlong/kafka-protocol'
import { AclOperation, ResourceType } from '../../src/state/acls.ts'
import type { Wire } from '../wire.ts'
import { questions } from './acl-questions.ts'
import { openAs } from './secure-broker.ts'

// Every API, asked by users who have one right each: what is refused, how, and what is left out.

interface Grant {
  readonly type: keyof typeof ResourceType
  readonly operation: keyof typeof AclOperation
  /** All resources of the type where it is left out. */
  readonly name?: string
  readonly isDenied?: boolean
}

const g = (
  type: Grant['type'],
  operation: Grant['operation'],
  more: Pick<Grant, 'name' | 'isDenied'> = {},
): Grant => ({ type, operation, ...more })

/** Users by name, with what they may do. */
export const users: Readonly<Record<string, readonly Grant[]>> = {
  nobody: [],
  ...Object.fromEntries(
    (
      [
        ['topic', 'read'],
        ['topic', 'write'],
        ['topic', 'create'],
        ['topic', 'delete'],
        ['topic', 'alter'],
        ['topic', 'describe'],
        ['topic', 'describeConfigs'],
        ['topic', 'alterConfigs'],
        ['topic', 'all'],
        ['group', 'read'],
        ['group', 'delete'],
        ['group', 'describe'],
        ['group', 'all'],
        ['cluster', 'create'],
        ['cluster', 'alter'],
        ['cluster', 'describe'],
        ['cluster', 'clusterAction'],
        ['cluster', 'describeConfigs'],
        ['cluster', 'alterConfigs'],
        ['cluster', 'idempotentWrite'],
        ['cluster', 'all'],
        ['transactionalId', 'write'],
        ['transactionalId', 'describe'],
      ] as const
    ).map(([type, operation]) => [`${type}-${operation}`, [g(type, operation)]]),
  ),
  consumer: [g('topic', 'read'), g('group', 'read')],
  'group-and-topic-describe': [g('topic', 'describe'), g('group', 'describe')],
  'group-delete-topic-read': [g('topic', 'read'), g('group', 'delete')],
  producer: [g('topic', 'write'), g('transactionalId', 'write')],
  copier: [
    g('topic', 'read'),
    g('topic', 'write'),
    g('group', 'read'),
    g('transactionalId', 'write'),
  ],
  'transaction-describe': [g('topic', 'describe'), g('transactionalId', 'describe')],
  'one-topic': [g('topic', 'read', { name: 'one' }), g('topic', 'write', { name: 'one' })],
  'all-but-one': [g('topic', 'all'), g('topic', 'all', { name: 'one', isDenied: true })],
  'no-write': [g('topic', 'all'), g('topic', 'write', { isDenied: true })],
}

const literal = 3

/** Makes topics and ACLs, as a super user, and waits until the coordinators answer. */
export async function prepare(admin: Wire): Promise<void> {
  const offsets = { groupId: 'a', topics: null, requireStable: false }
  const producer = {
    transactionalId: 'ready',
    transactionTimeoutMs: 60_000,
    producerId: -1n,
    producerEpoch: -1,
  }
  for (const keyType of [0, 1])
    await settled(admin, ApiKey.findCoordinator, 3, { key: 'ready', keyType })
  await settled(admin, ApiKey.offsetFetch, 7, offsets)
  await settled(admin, ApiKey.initProducerId, 4, producer)
  await settled(admin, ApiKey.initProducerId, 4, { ...producer, transactionalId: null })
  await ask(admin, ApiKey.createTopics, 5, {
    topics: ['one', 'two', ...Object.keys(users).map((name) => `of-${name}`)].map((name) => ({
      name,
      numPartitions: 1,
      replicationFactor: 1,
      assignments: [],
      configs: [],
    })),
    timeoutMs: 60_000,
  })
  await ask(admin, ApiKey.createAcls, 2, {
    creations: Object.entries(users).flatMap(([user, grants]) =>
      grants.map(({ type, operation, name, isDenied }) => ({
        resourceType: ResourceType[type],
        resourceName: type === 'cluster' ? 'kafka-cluster' : (name ?? '*'),
        resourcePatternType: literal,
        principal: `User:${user}`,
        host: '*',
        operation: AclOperation[operation],
        permissionType: isDenied ? 2 : 3,
      })),
    ),
  })
}

async function settled(admin: Wire, key: ApiKey, version: number, request: object): Promise<void> {
  await eventually(async () => {
    const { errorCode } = (await ask(admin, key, version, request)) as { errorCode: number }
    assert.equal(errorCode, 0)
  }, 60_000)
}

/** The answers by question, and by answer the users who get it. */
export type Answers = Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>

/** Asks everything as everybody. */
export async function answersOf(address: string): Promise<Answers> {
  const answers: Record<string, Record<string, string[]>> = {}
  for (const user of Object.keys(users)) {
    let wire = await openAs(address, user)
    for (const [name, { key, version, request }] of Object.entries(questions)) {
      const asked = ask(wire, key, version, request(user))
      const answer = await Promise.race([asked, wire.closed.then(() => undefined)])
      if (answer === undefined) wire = await openAs(address, user)
      const summary = answer === undefined ? 'closed' : JSON.stringify(summarize(answer))
      const text = summary.replaceAll(user, 'USER')
      const byAnswer = answers[name] ?? {}
      answers[name] = { ...byAnswer, [text]: [...(byAnswer[text] ?? []), user] }
    }
    wire.close()
  }
  return answers
}

async function ask(wire: Wire, key: ApiKey, version: number, request: object): Promise<object> {
  const codec = await loadCodec(key)
  const reader = await wire.send(key, version, (writer) =>
    codec.encodeRequest(writer, request, version),
  )
  const response = codec.decodeResponse(reader, version)
  if (reader.failed) throw new Error(`${apiInfo(key)?.name} ${version} cannot be read`)
  return response
}

const names = ['name', 'topic', 'user', 'groupId', 'transactionalId', 'resourceName', 'key']

/** Of a response: error codes, authorized operations, and what they belong to. */
function summarize(value: unknown): unknown {
  if (Array.isArray(value))
    return value
      .map(summarize)
      .filter((one) => one !== undefined)
      .map((one) => JSON.stringify(one))
      .filter((text) => !/"(__|of-)/.test(text))
      .sort()
      .map((text) => JSON.parse(text))
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return undefined
  const kept: Record<string, unknown> = {}
  for (const [key, field] of Object.entries(value)) {
    const isCode = /errorCode$|authorizedOperations$/i.test(key)
    if (isCode || (names.includes(key) && typeof field === 'string')) kept[key] = field
    else if (Array.isArray(field) && key !== 'brokers' && key !== 'configs' && key !== 'records') {
      const inner = summarize(field) as unknown[]
      if (inner.length > 0) kept[key] = inner
    }
  }
  return Object.keys(kept).length > 0 ? kept : undefined
}
