import type { Random } from '@khlong/core'
import { OpCode } from '../../src/protocol/codes.ts'
import { readAcl, readBuffer, readString, readStrings, type Stat } from '../../src/protocol/jute.ts'
import {
  type MultiOp,
  multiCheck,
  multiCreate,
  multiDelete,
  multiSetData,
  open,
  type Reply,
  readMultiResults,
  readStat,
  WireClient,
} from './wire-client.ts'

// A script of operations, drawn from a seed, that two clients run against a server. What it gives is
// free of times and session ids, so that the answers of two servers can be compared line by line.

const names = ['a', 'b', 'c'] as const

function drawPath(random: Random): string {
  const draw = random.next()
  if (draw < 0.03)
    return ['/', '', '/a/', 'a', '/a//b', '/./x', '/zookeeper', '/a\u0001b'][
      Math.floor(random.next() * 8)
    ]!
  const depth = 1 + Math.floor(random.next() * 3)
  let path = ''
  for (let level = 0; level < depth; level++)
    path += `/${names[Math.floor(random.next() * names.length)]}`
  return path
}

const acls = [
  open,
  [{ perms: 1, scheme: 'world', id: 'anyone' }],
  [{ perms: 31, scheme: 'auth', id: '' }],
  [{ perms: 31, scheme: 'ip', id: '127.0.0.0/8' }],
  [{ perms: 31, scheme: 'ip', id: '10.0.0.1' }],
  [],
  [{ perms: 31, scheme: 'digest', id: 'nonsense' }],
  [{ perms: 31, scheme: 'unknown', id: 'x' }],
  [
    { perms: 1, scheme: 'world', id: 'anyone' },
    { perms: 31, scheme: 'digest', id: 'u:ZaqWmDwHqd8Ty9yAHlT+tjw9eOM=' },
  ],
]

function showStat(stat: Stat, owners: ReadonlyMap<bigint, string>): string {
  const { czxid, mzxid, pzxid, version, cversion, aversion, dataLength, numChildren } = stat
  const owner = owners.get(stat.ephemeralOwner) ?? String(stat.ephemeralOwner)
  return `c${czxid} m${mzxid} p${pzxid} v${version} cv${cversion} av${aversion} d${dataLength} n${numChildren} o${owner}`
}

/** Runs the script and gives a line for each answer and each event. */
export async function runScript(address: string, random: Random, steps: number): Promise<string[]> {
  const first = await WireClient.connect(address)
  const second = await WireClient.connect(address)
  await first.auth('digest', 'user:secret')
  const owners = new Map([
    [first.sessionId, 'first'],
    [second.sessionId, 'second'],
  ])
  const lines: string[] = []
  const show = (
    { code, zxid, body }: Reply,
    content: (body: Reply['body']) => string = () => '',
  ): string => {
    const text = code === 0 ? content(body) : ''
    if (code === 0 && text !== '') body.finish()
    return `code ${code} zxid ${zxid} ${text}`
  }
  const stat = (body: Reply['body']): string => showStat(readStat(body), owners)

  for (let step = 0; step < steps; step++) {
    const client = random.next() < 0.7 ? first : second
    const path = drawPath(random)
    const version = random.next() < 0.6 ? -1 : Math.floor(random.next() * 3)
    const watch = random.next() < 0.5
    const data = random.next() < 0.1 ? null : 'x'.repeat(Math.floor(random.next() * 5))
    const acl = acls[random.next() < 0.8 ? 0 : Math.floor(random.next() * acls.length)]!
    const kind = Math.floor(random.next() * 18)
    let line: string
    switch (kind) {
      case 0:
      case 1:
      case 2: {
        const flags = Math.floor(random.next() * (random.next() < 0.1 ? 9 : 4))
        line = show(await client.create(path, data, flags, acl), readString)
        break
      }
      case 3:
        line = show(
          await client.create2(path, data, 0, acl),
          (body) => `${readString(body)} ${stat(body)}`,
        )
        break
      case 4:
      case 5:
        line = show(await client.delete(path, version))
        break
      case 6:
      case 7:
        line = show(await client.setData(path, data, version), stat)
        break
      case 8:
        line = show(await client.setAcl(path, acl, version), stat)
        break
      case 9:
        line = show(await client.read(OpCode.exists, path, watch), stat)
        break
      case 10:
        line = show(
          await client.read(OpCode.getData, path, watch),
          (body) => `${readBuffer(body)?.toString()} ${stat(body)}`,
        )
        break
      case 11:
        line = show(
          await client.read(OpCode.getChildren2, path, watch),
          (body) => `${readStrings(body).sort()} ${stat(body)}`,
        )
        break
      case 12:
        line = show(
          await client.read(OpCode.getChildren, path, watch),
          (body) => `children ${readStrings(body).sort()}`,
        )
        break
      case 13: {
        const ops: MultiOp[] = []
        for (let left = 1 + Math.floor(random.next() * 4); left > 0; left--) {
          const on = drawPath(random)
          ops.push(
            [
              multiCreate(on, data, Math.floor(random.next() * 4)),
              multiDelete(on),
              multiSetData(on, 'multi'),
              multiCheck(on, 0),
            ][Math.floor(random.next() * 4)]!,
          )
        }
        line = show(await client.multi(ops), (body) =>
          readMultiResults(body)
            .map(
              (one) =>
                `[${one.type} ${one.code} ${one.path ?? ''} ${one.stat ? showStat(one.stat, owners) : ''}]`,
            )
            .join(' '),
        )
        break
      }
      case 14:
        line = show(
          await client.request(OpCode.getAcl, (writer) => {
            writer.int32(Buffer.byteLength(path)).raw(Buffer.from(path))
          }),
          (body) => `${JSON.stringify(readAcl(body))} ${stat(body)}`,
        )
        break
      case 15:
        line = show(
          await client.createTtl(path, random.next() < 0.8 ? 100_000 : -1),
          (body) => `${readString(body)} ${stat(body)}`,
        )
        break
      case 16:
        line = show(
          await client.request(OpCode.createContainer, (writer) => {
            writer.int32(Buffer.byteLength(path)).raw(Buffer.from(path)).int32(0)
            writer.int32(1).int32(31).int32(5).raw(Buffer.from('world'))
            writer.int32(6).raw(Buffer.from('anyone')).int32(4)
          }),
          (body) => `${readString(body)} ${stat(body)}`,
        )
        break
      default:
        line = show(
          await client.request(OpCode.getAllChildrenNumber, (writer) => {
            writer.int32(Buffer.byteLength(path)).raw(Buffer.from(path))
          }),
          (body) => `descendants ${body.int32()}`,
        )
    }
    lines.push(`${step} kind ${kind} ${path} by ${owners.get(client.sessionId)}: ${line}`)
    // A reply of each connection shows all its earlier events.
    for (const one of [first, second]) {
      await one.ping()
      for (const event of one.takeEvents())
        lines.push(`${step} event for ${owners.get(one.sessionId)}: ${event.type} ${event.path}`)
    }
  }
  await second.close()
  await first.ping()
  const goneAway = first.takeEvents().map((event) => `${event.type} ${event.path}`)
  lines.push(`after the second's end: ${goneAway.sort()}`)
  for (const path of ['/', '/a', '/b', '/c', '/zookeeper', '/zookeeper/config', '/zookeeper/quota'])
    lines.push(
      `${path}: ${show(await first.read(OpCode.getChildren2, path), (body) => `${readStrings(body).sort()} ${stat(body)}`)}`,
    )
  await first.close()
  return lines
}
