import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { readAudit } from '@khlong/core/access'
import { temporaryFolder } from '@khlong/core/testing'
import { parseAclFile, parsePasswordFile } from '@khlong/mqtt'
import fc from 'fast-check'
import { checkDevice } from '../src/devices/device.ts'
import { parseDeviceCsv } from '../src/devices/device-csv.ts'
import { decodeDevices, encodeDevices } from '../src/devices/device-file.ts'
import { DeviceRegistry, deviceFiles } from '../src/devices/device-registry.ts'
import { makeSketch, sketchKinds } from '../src/devices/sketch.ts'
import type { KhlongError } from '../src/errors.ts'

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))

async function khlong(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  const code = new Promise<number>((resolve) => child.once('close', resolve))
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)])
  return { code: await code, out, err }
}

async function brokerFiles(data: string): Promise<{ users: string[]; ruled: string[] }> {
  const { passwords, access } = deviceFiles(data)
  const users = parsePasswordFile(await readFile(passwords, 'utf8'), passwords)
  const rules = parseAclFile(await readFile(access, 'utf8'), access)
  return { users: [...users.keys()], ruled: [...rules.users.keys()] }
}

test('devices are added, given another secret, revoked and removed, and the files of Mosquitto follow', async (t) => {
  const data = await temporaryFolder(t)
  const registry = new DeviceRegistry(data)
  const first = await registry.add({ name: 'greenhouse-1', place: '32347983' })
  await registry.add({ name: 'greenhouse-2', place: '32347983', id: '777', kind: 'tent', rate: 2 })
  assert.equal(first.device.id, 'greenhouse-1')
  assert.match(first.secret, /^[a-z2-9]{20}$/)
  const stored = await readFile(path.join(data, 'devices', 'devices.json'), 'utf8')
  assert.ok(!stored.includes(first.secret))
  const both = ['greenhouse-1', 'greenhouse-2']
  assert.deepEqual(await brokerFiles(data), { users: both, ruled: both })
  const next = await registry.rotate('greenhouse-1')
  assert.notEqual(next.device.password, first.device.password)
  await registry.revoke('greenhouse-1')
  assert.deepEqual((await brokerFiles(data)).users, ['greenhouse-2'])
  assert.ok((await registry.find('greenhouse-1')).revokedMs)
  await registry.rotate('greenhouse-1')
  assert.deepEqual((await brokerFiles(data)).users, both)
  await registry.remove('greenhouse-1')
  assert.deepEqual((await brokerFiles(data)).users, ['greenhouse-2'])
  await assert.rejects(registry.revoke('greenhouse-1'), { code: 'KHLONG_DEVICE_UNKNOWN' })
  await assert.rejects(registry.add({ name: 'Greenhouse-2', place: '1' }), {
    code: 'KHLONG_DEVICE_EXISTS',
  })
})

test('changes at once from several processes all count', async (t) => {
  const data = await temporaryFolder(t)
  const names = Array.from({ length: 8 }, (_, index) => `d${index}`)
  await Promise.all(names.map((name) => new DeviceRegistry(data).add({ name, place: '1' })))
  assert.deepEqual((await brokerFiles(data)).users.toSorted(), names)
})

test('names that are paths, topics, other lines or programs are refused', () => {
  const names = ['', '.', '..', '../x', 'a/b', 'a\\b', '+', '#', 'a#', 'a:b', 'a b', 'a\nb', 'a\0']
  names.push('%u', '$SYS', '-x', 'ü', '<script>', 'khlong-internal', 'KHLONG-x', 'a'.repeat(65))
  for (const name of names)
    assert.throws(() => checkDevice({ name, place: '1' }), { code: 'KHLONG_DEVICE_INVALID' }, name)
  for (const place of ['', '"', '\\', 'a"b', "a'b", 'a\nb', '<b>', 'a{b}', 'a'.repeat(65)])
    assert.throws(() => checkDevice({ name: 'a', place }), { code: 'KHLONG_DEVICE_INVALID' }, place)
  for (const rate of [0, -1, Number.NaN, Number.POSITIVE_INFINITY])
    assert.throws(() => checkDevice({ name: 'a', place: '1', rate }), /frames a second/)
  checkDevice({ name: 'greenhouse-1.a_b', place: 'เรือนเพาะชำ 1', kind: 'tent', rate: 0.1 })
})

test('any text is devices or a typed error, and what was written is read', async () => {
  const file = 'devices.json'
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (written) => {
      try {
        decodeDevices(written, file)
      } catch (error) {
        assert.equal((error as KhlongError).code, 'KHLONG_DEVICES_DAMAGED')
      }
    }),
  )
  const device = { name: 'a', id: '1', place: 'p', password: '$7$1$aaaa$bbbb' }
  const whole = { ...device, kind: 'k', rate: 2, createdMs: 1, passwordChangedMs: 2, revokedMs: 3 }
  assert.deepEqual(decodeDevices(encodeDevices([whole]), file), [whole])
  const newer = encodeDevices([]).replace('"version": 2', '"version": 3')
  assert.throws(() => decodeDevices(newer, file), { code: 'KHLONG_DEVICES_NEWER' })
  for (const change of [{ password: '$7$1$a$b\nroot:x' }, { name: '../x' }, { more: 1 }])
    assert.throws(() => decodeDevices(encodeDevices([{ ...whole, ...change }]), file), {
      code: 'KHLONG_DEVICES_DAMAGED',
    })
  assert.throws(() => decodeDevices(encodeDevices([whole, { ...whole, name: 'A' }]), file), {
    code: 'KHLONG_DEVICES_DAMAGED',
  })
})

test('a device gives commands to those that it has leave for, until either is gone', async (t) => {
  const data = await temporaryFolder(t)
  const registry = new DeviceRegistry(data)
  await registry.import(['a', 'b', 'c'].map((name) => ({ name, place: '1' })))
  const rules = async (): Promise<string> => readFile(deviceFiles(data).access, 'utf8')
  await registry.allowCommand('a', 'b', true)
  await registry.allowCommand('a', 'b', true)
  await registry.allowCommand('a', 'c', true)
  assert.match(
    await rules(),
    /user a\ntopic write iot-frames\ntopic write devices\/b\/commands\ntopic read devices\/b\/commands\/ack\ntopic write devices\/c\/commands\ntopic read devices\/c\/commands\/ack\n\nuser b\ntopic write iot-frames\n\n/,
  )
  await registry.allowCommand('a', 'c', false)
  assert.deepEqual((await registry.find('a')).mayCommand, ['b'])
  await registry.remove('b')
  assert.equal((await registry.find('a')).mayCommand, undefined)
  assert.doesNotMatch(await rules(), /commands\/ack/)
  await assert.rejects(registry.allowCommand('a', 'b', true), { code: 'KHLONG_DEVICE_UNKNOWN' })
  await assert.rejects(registry.allowCommand('a', 'a', true), { code: 'KHLONG_DEVICE_INVALID' })
})

test('a registry of version 1 is read, and written as version 2', () => {
  const written = encodeDevices([]).replace('"version": 2', '"version": 1')
  assert.deepEqual(decodeDevices(written, 'devices.json'), [])
})

test('devices are read from CSV, and errors name their line', () => {
  const csv = '\uFEFFname,place,rate,kind\r\n"d1","a b",2,\r\n\r\nd2,p,,tent\n'
  assert.deepEqual(parseDeviceCsv(csv, 'd.csv'), [
    { name: 'd1', place: 'a b', id: 'd1', kind: undefined, rate: 2 },
    { name: 'd2', place: 'p', id: 'd2', kind: 'tent', rate: undefined },
  ])
  const wrong: [string, RegExp][] = [
    ['', /d\.csv:1: expected the columns name, place/],
    ['name,place,colour\n', /found colour/],
    ['name,place\nd1\n', /d\.csv:2: expected 2 columns, found 1/],
    ['name,place,rate\n\nd1,p,often\n', /d\.csv:3: rate: expected a number/],
    ['name,place\n"d1,p\n', /d\.csv:2: a quotation mark is not closed/],
    ['name,place\n"d1"x,p\n', /d\.csv:2: expected a comma/],
    ['name,place\nd1,p\nd2,"a ""b"""\n', /d\.csv:3: d2: place .* found "a \\"b\\""/],
    ['name,place\nd1,p\nd 2/#,p\n', /d\.csv:3: a device's name .* found "d 2\/#"/],
  ]
  for (const [given, message] of wrong) assert.throws(() => parseDeviceCsv(given, 'd.csv'), message)
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('"', ',', '\n', '\r', 'a', 'name', 'place') }),
      (given) => {
        try {
          parseDeviceCsv(given, 'd.csv')
        } catch (error) {
          assert.equal((error as KhlongError).code, 'KHLONG_DEVICE_INVALID')
        }
      },
    ),
  )
})

test('an import adds all devices of a file or none', async (t) => {
  const data = await temporaryFolder(t)
  const registry = new DeviceRegistry(data)
  const twice = [
    { name: 'd1', place: '1' },
    { name: 'd1', place: '2' },
  ]
  await assert.rejects(registry.import(twice), { code: 'KHLONG_DEVICE_EXISTS' })
  assert.deepEqual(await registry.list(), [])
})

test('each sketch holds all that a device needs to know', async (t) => {
  const registry = new DeviceRegistry(await temporaryFolder(t))
  const made = await registry.add({ name: 'roof', place: 'p1', id: '12' })
  for (const kind of sketchKinds) {
    const sketch = makeSketch(kind, { ...made, host: '192.0.2.7', port: 2883 })
    for (const fact of ['roof', made.secret, '192.0.2.7', '2883', '12', 'p1', 'iot-frames'])
      assert.ok(sketch.includes(fact), `${kind}: ${fact}`)
  }
})

test('devices are looked after on the command line', async (t) => {
  const folder = path.join(await temporaryFolder(t), 'mine')
  await mkdir(folder)
  await writeFile(path.join(folder, 'khlong.yml'), 'mqtt: { listen: 2883 }\n')
  await writeFile(path.join(folder, 'more.csv'), 'name,place\nd2,p\nd3,p\n')
  const at = ['--pipeline', folder]
  const added = await khlong('device', 'add', 'd1', '--place', 'p', '--for', 'node', ...at)
  assert.equal(added.code, 0, added.err)
  const secret = /secret (\S+), not shown again/.exec(added.err)?.[1] ?? ''
  assert.ok(added.out.includes(secret) && added.out.includes('mqtt://127.0.0.1:2883'))
  const imported = await khlong('device', 'import', path.join(folder, 'more.csv'), ...at)
  assert.match(imported.out, /^name,secret\nd2,[a-z2-9]{20}\nd3,[a-z2-9]{20}\n$/)
  const [list, show, again, usage, wrong] = await Promise.all([
    khlong('device', 'list', '--json', ...at),
    khlong('device', 'show', 'd1', ...at),
    khlong('device', 'snippet', 'd1', '--secret', secret, '--for', 'esp32', ...at),
    khlong('device', 'snippet', 'd1', ...at),
    khlong('device', 'add', '../d', '--place', 'p', ...at),
  ])
  assert.deepEqual(
    (JSON.parse(list.out) as { name: string }[]).map(({ name }) => name),
    ['d1', 'd2', 'd3'],
  )
  assert.ok(!`${list.out}${show.out}`.includes('$7$'))
  assert.ok(again.out.includes(secret) && again.out.includes('#include <WiFi.h>'))
  assert.deepEqual([usage.code, wrong.code], [2, 1])
  const rotated = await khlong('device', 'rotate', 'd1', ...at)
  assert.match(rotated.out, /^[a-z2-9]{20}\n$/)
  assert.notEqual(rotated.out.trim(), secret)
  await khlong('device', 'revoke', 'd1', ...at)
  await khlong('device', 'remove', 'd2', ...at)
  const left = await khlong('device', 'list', ...at)
  assert.match(left.out, /^d1 .*revoked.*\nd3 .*active/)
  const audit = await readAudit(path.join(folder, 'data', 'access'), { limit: 100 })
  assert.deepEqual(audit.map(({ action }) => action).toSorted(), [
    'device.add',
    'device.import',
    'device.remove',
    'device.revoke',
    'device.rotate',
  ])
  await writeFile(path.join(folder, 'khlong.yml'), 'mqtt: { password_file: ./passwd }\n')
  const own = await khlong('device', 'list', ...at)
  assert.equal(own.code, 2)
  assert.match(own.err, /khlong\.yml:1: mqtt\.password_file says who may come in/)
})
