import assert from 'node:assert/strict'
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import test, { type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { eventually, temporaryFolder } from '@khlong/core/testing'
import { MongoClient } from 'mongodb'
import { peer } from '../../../../tools/peers.ts'
import { PipelineProcess } from '../../../../tools/pipeline-process.ts'
import type { BrokerTls } from '../../src/devices/broker-place.ts'
import { DeviceRegistry } from '../../src/devices/device-registry.ts'
import { makeSketch, type SketchKind } from '../../src/devices/sketch.ts'

const run = promisify(execFile)
const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const modules = fileURLToPath(new URL('../../../../node_modules', import.meta.url))

/** Runs a sketch as it was printed, until the test ends. */
function runSketch(t: TestContext, command: string, file: string): ChildProcess {
  const child = spawn(command, [file], { stdio: ['ignore', 'pipe', 'pipe'] })
  t.after(() => child.kill('SIGKILL'))
  return child
}

test('a printed sketch for Python and for Node works unchanged, and a revoked device is cut off', async (t) => {
  const folder = await temporaryFolder(t)
  const pipeline = await PipelineProcess.create({ folder, set: ['sensors=false'] })
  t.after(() => pipeline.kill())
  await pipeline.start()
  const at = ['--pipeline', pipeline.folder]
  const khlong = (...args: string[]): Promise<{ stdout: string }> =>
    run(process.execPath, [main, 'device', ...args, ...at], { timeout: 60_000 })
  // Both are added while the broker runs.
  const python = await khlong('add', 'greenhouse-1', '--place', '32347983', '--for', 'python')
  const node = await khlong('add', 'roof', '--place', '7', '--id', '777', '--for', 'node')
  await khlong('add', 'shy', '--place', '7', '--json')
  await writeFile(path.join(folder, 'greenhouse-1.py'), python.stdout)
  // Beside the packages that `npm install mqtt` would bring.
  await writeFile(path.join(folder, 'roof.mjs'), node.stdout)
  await symlink(modules, path.join(folder, 'node_modules'))
  const greenhouse = runSketch(t, peer('python'), path.join(folder, 'greenhouse-1.py'))
  const roof = runSketch(t, process.execPath, path.join(folder, 'roof.mjs'))
  let said = ''
  for (const stream of [greenhouse.stdout, greenhouse.stderr, roof.stdout, roof.stderr])
    stream?.on('data', (chunk: Buffer) => {
      said += chunk.toString()
    })

  const client = await MongoClient.connect(`mongodb://127.0.0.1:${pipeline.ports.mongodb}`)
  t.after(() => client.close())
  const frames = client.db('iot').collection('iot_frames')
  await eventually(async () => {
    const first = await frames.findOne({ id: 'greenhouse-1' })
    assert.equal(first?.place_id, '32347983', `${said}${pipeline.output}`)
    assert.equal(typeof first?.payload.temperature, 'number')
    assert.equal((await frames.findOne({ id: '777' }))?.name, 'roof', said)
  }, 30_000)

  const states = async (): Promise<string[]> => {
    const { stdout } = await khlong('list', '--json')
    return (JSON.parse(stdout) as { name: string; state: string }[]).map(
      ({ name, state }) => `${name} ${state}`,
    )
  }
  await eventually(async () => {
    assert.deepEqual(await states(), ['greenhouse-1 live', 'roof live', 'shy waiting'])
  }, 20_000)
  const shown = JSON.parse((await khlong('show', 'greenhouse-1')).stdout) as object
  assert.ok('state' in shown && 'lastSeenMs' in shown && !('password' in shown))

  // They are told something, do it once, and say so.
  const tell = (name: string): Promise<{ stdout: string }> =>
    khlong('command', name, 'pump', '--param', 'seconds=3', '--id', `to-${name}`, '--wait')
  for (const name of ['greenhouse-1', '777'])
    assert.equal((await tell(name)).stdout, 'acknowledged\n', said)
  const acted = (): number => said.match(/command: pump/g)?.length ?? 0
  await eventually(() => assert.equal(acted(), 2, said))
  await khlong('command', 'roof', 'pump', '--id', 'to-roof-after', '--wait')
  await tell('777')
  await eventually(() => assert.equal(acted(), 3, said))
  const { stdout: listed } = await khlong('commands', 'roof')
  assert.match(
    listed,
    /roof +pump +acknowledged +to-roof-after\n.*roof +pump +acknowledged +to-777/,
  )

  const exited = once(greenhouse, 'exit')
  await khlong('revoke', 'greenhouse-1')
  await eventually(async () => {
    const before = await frames.countDocuments({ id: 'greenhouse-1' })
    const roofBefore = await frames.countDocuments({ id: '777' })
    await eventually(async () =>
      assert.ok((await frames.countDocuments({ id: '777' })) >= roofBefore + 3),
    )
    assert.equal(await frames.countDocuments({ id: 'greenhouse-1' }), before)
  }, 30_000)
  assert.deepEqual((await states())[0], 'greenhouse-1 revoked')
  greenhouse.kill('SIGKILL')
  await exited
  assert.equal(await pipeline.stop(), 0, pipeline.output)
})

test('with a certificate of khlong cert the printed sketches trust it and work unchanged, and the console goes on', async (t) => {
  const folder = await temporaryFolder(t)
  const certs = path.join(folder, 'certs')
  await run(process.execPath, [main, 'cert', 'server', '--host', '127.0.0.1', '--dir', certs])
  const pipeline = await PipelineProcess.create({
    folder,
    set: [
      'sensors=false',
      `mqtt.certfile=${path.join(certs, 'server.crt')}`,
      `mqtt.keyfile=${path.join(certs, 'server.key')}`,
    ],
  })
  t.after(() => pipeline.kill())
  await pipeline.start()
  const { ports } = pipeline
  await eventually(() => {
    const { output } = pipeline
    assert.match(output, new RegExp(`^mqtt +ready +127\\.0\\.0\\.1:${ports.mqtt} `, 'm'))
    assert.match(output, new RegExp(`--url mqtts://127\\.0\\.0\\.1:${ports.mqtt}\n`))
  })
  const address = `http://127.0.0.1:${ports.grafana}/-/`
  const post = async (route: string, body: object): Promise<Record<string, unknown>> => {
    const answer = await fetch(`${address}${route}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    const json = (await answer.json()) as Record<string, unknown>
    assert.ok(answer.ok, `${route}: ${JSON.stringify(json)}`)
    return json
  }
  await symlink(modules, path.join(folder, 'node_modules'))
  for (const [name, kind, command] of [
    ['a.py', 'python', peer('python')],
    ['b.mjs', 'node', process.execPath],
  ] as const) {
    const { sketches } = await post('devices', { name: name.slice(0, 1), place: '1' })
    const file = path.join(folder, name)
    await writeFile(file, (sketches as Record<SketchKind, string>)[kind])
    runSketch(t, command, file)
  }
  const setup = (await (await fetch(`${address}setup`)).json()) as { mqtt: object }
  assert.deepEqual(setup.mqtt, {
    ...{ host: '127.0.0.1', port: ports.mqtt, topic: 'iot-frames' },
    ...{ isTls: true, needsLogin: false },
  })
  const frame = (id: string): string =>
    JSON.stringify({
      ...{ id, name: id, place_id: '1' },
      payload: { temperature: 21, humidity: 40, pressure: 1_013, luminosity: 300 },
    })
  await post('mqtt/publish', { topic: 'iot-frames', payload: frame('console') })
  const url = `mqtts://127.0.0.1:${ports.mqtt}`
  const trust = ['--cafile', path.join(certs, 'ca.crt')]
  const publish = (...args: string[]): Promise<unknown> =>
    run(process.execPath, [main, 'mqtt', 'pub', '--url', url, 'iot-frames', frame('cli'), ...args])
  await publish(...trust)
  await assert.rejects(publish(), /certificate/)
  const client = await MongoClient.connect(`mongodb://127.0.0.1:${ports.mongodb}`)
  t.after(() => client.close())
  await eventually(async () => {
    const ids = (await client.db('iot').collection('iot_frames').distinct('id')) as string[]
    assert.deepEqual(ids.toSorted(), ['a', 'b', 'cli', 'console'], pipeline.output)
  }, 30_000)
  assert.equal(await pipeline.stop(), 0, pipeline.output)
})

test('sketches for boards are right in their syntax: no board runs them here', async (t) => {
  const folder = await temporaryFolder(t)
  const { device, secret } = await new DeviceRegistry(folder).add({
    name: 'shed',
    place: 'เรือนเพาะชำ 1',
    rate: 0.2,
  })
  const write = async (name: string, kind: SketchKind, tls?: BrokerTls): Promise<string> => {
    const file = path.join(folder, name)
    await writeFile(file, makeSketch(kind, { device, secret, host: '192.0.2.1', port: 1883, tls }))
    return file
  }
  await writeFile(path.join(folder, 'WiFi.h'), wifiStub)
  await writeFile(path.join(folder, 'WiFiClientSecure.h'), secureStub)
  await writeFile(path.join(folder, 'MQTT.h'), mqttStub)
  await run(process.execPath, [main, 'cert', 'server', '--dir', folder])
  const authority = (await readFile(path.join(folder, 'ca.crt'), 'utf8')).trim()
  for (const tls of [undefined, { authority: undefined }, { authority }]) {
    await run(peer('python'), ['-m', 'py_compile', await write('board.py', 'micropython', tls)])
    const sketch = await write('board.ino', 'esp32', tls)
    const options = ['-std=c++17', '-fsyntax-only', '-Wall', '-Wextra', '-Werror', '-x', 'c++']
    await run('g++', [...options, '-I', folder, sketch])
  }
})

// What the sketch uses of the ESP32's Arduino core and of the library, as they declare it.
const wifiStub = `
#pragma once
#include <cstdint>
struct String {
  String(const char *text = ""); String(float value, unsigned places);
  String(unsigned long value, unsigned char base = 10); String(long value);
  unsigned length() const; bool operator!=(const String &) const; String operator+(const String &) const;
  String operator+(const char *) const;
};
String operator+(const char *, const String &);
struct SerialPort { void begin(long); void println(const String &); }; extern SerialPort Serial;
enum { WL_CONNECTED = 3, HEX = 16 };
struct WiFiLink { int status(); void begin(const char *, const char *); }; extern WiFiLink WiFi;
struct Client {}; struct WiFiClient : Client {};
long random(long, long); void randomSeed(unsigned long); uint32_t esp_random();
unsigned long millis(); void delay(unsigned long);
`
const secureStub = `
#pragma once
#include "WiFi.h"
struct WiFiClientSecure : WiFiClient { void setCACert(const char *rootCA); };
`
const mqttStub = `
#pragma once
struct MQTTClient {
  explicit MQTTClient(int bytes); void begin(const char host[], int port, Client &client);
  typedef void (*Callback)(String &topic, String &payload); void onMessage(Callback callback);
  bool connect(const char id[], const char user[], const char password[]);
  bool publish(const String &topic, const String &payload, bool retained, int qos);
  bool publish(const char topic[], const String &payload, bool retained, int qos);
  bool subscribe(const String &topic, int qos); bool loop(); bool connected();
};
`
