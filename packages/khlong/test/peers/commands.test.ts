import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import net from 'node:net'
import path from 'node:path'
import test, { type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { eventually, SeededRandom, temporaryFolder } from '@khlong/core/testing'
import mqtt from 'mqtt'
import { peer } from '../../../../tools/peers.ts'
import { PipelineProcess } from '../../../../tools/pipeline-process.ts'
import { faultsOf, launchBrowser, openPage } from '../../../grafana/test/peers/browser.ts'
import { startSmtp, startWebhook } from '../../../prometheus/test/alertmanager/helpers.ts'

// The way there and back: a sensor is heated in the console, people are told, the fan of its place
// is told, and it is cool again; also where all of Khlong is killed in between.

const run = promisify(execFile)
const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const sensorId = '12434345'
const fan = 'fan-32347983'
const slowMs = 60_000
const fanRunMs = 15_000

const alertmanager = (webhook: string, smtp: string): string => `
global: { smtp_smarthost: '${smtp}', smtp_from: khlong@example.org, smtp_require_tls: false }
route:
  receiver: nobody
  group_by: [alertname, sensor_id]
  group_wait: 100ms
  group_interval: 500ms
  repeat_interval: 4h
  routes: [{ receiver: people, matchers: ['alertname="HotSensor"'] }]
receivers:
  - { name: nobody }
  - name: people
    webhook_configs: [{ url: '${webhook}/alerts', send_resolved: true }]
    email_configs: [{ to: you@example.org, send_resolved: true }]
`

/** As cool by day as by night: it takes five seconds of 80 °C at least until the rule finds it hot. */
const sensors = `
commands: true
kinds:
  room:
    temperature: { min: 15, max: 16 }
    humidity: { min: 40, max: 60 }
    pressure: { min: 1000, max: 1020 }
    luminosity: { min: 0, max: 900 }
sensors:
  - { id: '${sensorId}', name: iot_sensor_1, place: '32347983', kind: room }
  - { id: '21321434', name: iot_sensor_2, place: '32347983', kind: room }
fans: [{ id: ${fan}, place: '32347983' }]
`

/** The demo with windows and waits that a test can await, and people who listen. */
async function startDemo(t: TestContext) {
  const [webhook, smtp] = await Promise.all([startWebhook(t), startSmtp(t)])
  const pipeline = await PipelineProcess.create({
    folder: await temporaryFolder(t),
    demo: true,
    set: ['streams.settings.window.size.ms=10000', `streams.settings.fan.run.ms=${fanRunMs}`],
  })
  t.after(() => pipeline.kill())
  const inPipeline = (name: string): string => path.join(pipeline.folder, name)
  await writeFile(inPipeline('alertmanager.yml'), alertmanager(webhook.url, smtp.address))
  await writeFile(inPipeline('sensors.yml'), sensors)
  const rules = await readFile(inPipeline('rules/iot.yml'), 'utf8')
  const quick = rules.replaceAll('interval: 5s', 'interval: 1s').replace('for: 10s', 'for: 1s')
  assert.notEqual(quick, rules)
  await writeFile(inPipeline('rules/iot.yml'), quick)
  await pipeline.start()
  return { pipeline, webhook, smtp }
}

/** How often the Alertmanager wrote down that it told something. */
async function toldAndWritten({ folder }: PipelineProcess): Promise<number> {
  const journal = path.join(folder, 'data', 'prometheus', 'alertmanager', 'alertmanager.journal')
  return (await readFile(journal, 'latin1')).split('{"notification":').length - 1
}

interface CommandNow {
  readonly id: string
  readonly device: string
  readonly action: string
  readonly state: string
  readonly by: string
  /** When the device answered. */
  readonly acknowledged?: number
}

test('a sensor that is heated in the console is told of, cooled by its fan, and told to be well again, also through a kill', async (t) => {
  const { pipeline, webhook, smtp } = await startDemo(t)
  const consoleUrl = `http://127.0.0.1:${pipeline.ports.grafana}`
  const ask = async <Answer>(url: string): Promise<Answer> => {
    const response = await fetch(url)
    assert.ok(response.ok, `${url}: ${response.status}`)
    return (await response.json()) as Answer
  }
  const commands = async (device: string): Promise<readonly CommandNow[]> =>
    (await ask<{ commands: CommandNow[] }>(`${consoleUrl}/-/commands?device=${device}&limit=100`))
      .commands
  const newest = async (query: string): Promise<number> => {
    const { data } = await ask<{ data: { result: { value: [number, string] }[] } }>(
      `http://127.0.0.1:${pipeline.ports.prometheus}/api/v1/query?query=${encodeURIComponent(query)}`,
    )
    assert.ok(data.result[0], `there is no ${query} yet`)
    return Number(data.result[0].value[1])
  }
  const temperature = (): Promise<number> =>
    newest(`sample_sensor_metric_temperature{sensor_id="${sensorId}"}`)
  /** How often people were told that it is so. */
  const told = (status: 'firing' | 'resolved'): [webhook: number, mails: number] => [
    webhook.requests.filter(({ body }) => body.status === status).length,
    smtp.mails.filter(({ text }) => text.includes(`[${status.toUpperCase()}`)).length,
  ]
  const isTold = (status: 'firing' | 'resolved', times: number): Promise<void> =>
    eventually(() => {
      const all = JSON.stringify(webhook.requests.map(({ body }) => body))
      assert.deepEqual(told(status), [times, times], `${all}${pipeline.output.slice(-4_000)}`)
    }, slowMs)
  const browser = await launchBrowser()
  t.after(() => browser.close())
  const heat = async (): Promise<void> => {
    const away = /ERR_CONNECTION|Failed to load resource/
    await using page = await openPage(browser, `${consoleUrl}/sensors/${sensorId}`, undefined, away)
    const panel = page.getByRole('region', { name: 'Commands' })
    await panel.getByRole('button', { name: 'Heat it to 80 °C' }).click({ timeout: slowMs })
    await panel.locator('li', { hasText: 'acknowledged' }).first().waitFor({ timeout: slowMs })
    assert.deepEqual(await faultsOf(page), [])
    await panel.getByRole('button', { name: 'Send a command' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'heat' }).click()
    assert.deepEqual(await faultsOf(page), [])
  }
  const fanHasRun = (before: number): Promise<void> =>
    eventually(async () => {
      const all = await commands(fan)
      const done = all.filter(({ state }) => state === 'acknowledged')
      assert.ok(done.length > before, `${JSON.stringify(all)}, ${await temperature()} °C`)
      assert.equal(done[0]?.by, 'rule: hot place')
    }, slowMs)
  const isCool = (): Promise<void> =>
    eventually(async () => assert.ok((await temperature()) < 40), slowMs)
  await eventually(temperature, slowMs)

  const startMs = performance.now()
  const say = (what: string): void =>
    t.diagnostic(`${what} ${Math.round(performance.now() - startMs)} ms after it was heated`)
  await heat()
  await isTold('firing', 1)
  say('told by webhook and mail')
  await fanHasRun(0)
  await isCool()
  say('cool')
  await isTold('resolved', 1)
  say('told to be well')

  // While it still ran, it would take the heat away before anybody had to tell it.
  // The newest figure of running fans may be older than its start.
  const [cooling] = await commands(fan)
  await eventually(async () => {
    assert.ok(Date.now() > cooling!.acknowledged! + fanRunMs)
    assert.equal(await newest('khlong_sensors_fans_running'), 0)
  }, slowMs)
  const before = (await commands(fan)).length
  const writtenBefore = await toldAndWritten(pipeline)
  await heat()
  await isTold('firing', 2)
  // Whoever is told and killed before it is written down tells it again, as Prometheus' own.
  await eventually(
    async () => assert.equal((await toldAndWritten(pipeline)) - writtenBefore, 2),
    slowMs,
  )
  await pipeline.kill()
  await pipeline.start()
  await fanHasRun(before)
  await isCool()
  await isTold('resolved', 2)
  assert.deepEqual(told('firing'), [2, 2])
  const ids = (await commands(sensorId)).map(({ action, state }) => `${action} ${state}`)
  assert.deepEqual(ids, ['heat acknowledged', 'heat acknowledged'])

  const give = async (id: string, expires: string): Promise<void> => {
    const expiresInMs = expires === '1s' ? 1_000 : 600_000
    const response = await fetch(`${consoleUrl}/-/commands`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ device: 'pump', action: 'pump', id, expiresInMs }),
    })
    assert.equal(response.status, 201)
  }
  const url = `mqtt://127.0.0.1:${pipeline.ports.mqtt}`
  await deviceThatWasAway({ url, give, commands })
  assert.equal(await pipeline.stop(), 0, pipeline.output)
})

test('every command that was taken is answered by its device, and done once, through kills at any time', async (t) => {
  const random = new SeededRandom(Number(process.env.SEED ?? 1))
  const pipeline = await PipelineProcess.create({ folder: await temporaryFolder(t) })
  t.after(() => pipeline.kill())
  await pipeline.start()
  const url = `http://127.0.0.1:${pipeline.ports.grafana}/-/commands`
  const device = mqtt.connect(`mqtt://127.0.0.1:${pipeline.ports.mqtt}`, {
    ...{ clientId: 'pump', clean: false, reconnectPeriod: 100 },
  })
  t.after(() => device.endAsync(true))
  device.on('error', () => {})
  let deliveries = 0
  const done: string[] = []
  device.on('message', (topic, payload) => {
    deliveries++
    const { id } = JSON.parse(payload.toString()) as { id: string }
    if (!done.includes(id)) done.push(id)
    device.publish(`${topic}/ack`, JSON.stringify({ id }), { qos: 1 })
  })
  await device.subscribeAsync('devices/pump/commands', { qos: 1 })

  const taken: string[] = []
  let isOver = false
  /** Gives one command after the other, each again and again until it is taken. */
  const giving = (async () => {
    for (let number = 1; !isOver; number++) {
      const id = `c-${number}`
      await eventually(async () => {
        const response = await fetch(url, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ device: 'pump', action: 'pump', id, expiresInMs: 3_600_000 }),
          signal: AbortSignal.timeout(5_000),
        })
        assert.equal(response.status, 201)
      }, 2 * slowMs)
      taken.push(id)
      await pause(20)
    }
  })()
  for (let kill = 1; kill <= 4; kill++) {
    const before = taken.length
    await eventually(() => assert.ok(taken.length > before + 5), slowMs)
    await pause(random.next() * 500)
    await pipeline.kill()
    await pipeline.start()
    t.diagnostic(`kill ${kill}: ${taken.length} commands taken, ${done.length} done`)
  }
  isOver = true
  await giving
  await eventually(async () => {
    const response = await fetch(`${url}?device=pump&limit=500`)
    const { commands } = (await response.json()) as { commands: CommandNow[] }
    const answered = commands.filter(({ state }) => state === 'acknowledged').map(({ id }) => id)
    assert.deepEqual(answered.sort(), taken.toSorted())
  }, slowMs)
  assert.deepEqual(done.toSorted(), taken.toSorted())
  t.diagnostic(`${taken.length} commands, ${deliveries} deliveries`)
  assert.equal(await pipeline.stop(), 0, pipeline.output)
})

test('a real Mosquitto in the place of our broker changes nothing for commands', async (t) => {
  const url = await startMosquitto(t)
  const pipeline = await PipelineProcess.create({
    folder: await temporaryFolder(t),
    demo: true,
    set: [`mqtt.url=${url}`],
  })
  t.after(() => pipeline.kill())
  await pipeline.start()
  const khlong = async (...args: string[]): Promise<string> => {
    const words = [main, 'device', ...args, '--pipeline', pipeline.folder]
    const { stdout } = await run(process.execPath, words, { timeout: slowMs })
    return stdout
  }
  const list = async (device: string): Promise<readonly CommandNow[]> =>
    JSON.parse(await khlong('commands', device, '--json'))
  await eventually(async () => {
    const heat = ['heat', '--param', 'celsius=80', '--expires', '5s', '--wait']
    assert.equal(await khlong('command', sensorId, ...heat), 'acknowledged\n')
  }, slowMs)
  // Exit code 1 where it was not done, and where nobody answers.
  const dance = khlong('command', sensorId, 'dance', '--wait')
  await assert.rejects(dance, { code: 1, stdout: /^acknowledged {2}not done: / })
  const nobody = khlong('command', 'nobody', 'fan', '--expires', '1s', '--wait')
  await assert.rejects(nobody, { code: 1, stdout: 'expired\n' })
  assert.deepEqual((await list(sensorId)).map(({ action }) => action).slice(0, 1), ['dance'])
  await deviceThatWasAway({
    url,
    give: async (id, expires) => {
      await khlong('command', 'pump', 'pump', '--id', id, '--expires', expires)
    },
    commands: list,
  })
  assert.equal(await pipeline.stop(), 0, pipeline.output)
})

async function startMosquitto(t: TestContext): Promise<string> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as net.AddressInfo
  server.close()
  await once(server, 'close')
  const child = spawn(peer('mosquitto'), ['-p', String(port)], { stdio: 'ignore' })
  const ended = once(child, 'exit')
  t.after(async () => {
    child.kill('SIGKILL')
    await ended
  })
  await eventually(async () => {
    const socket = net.connect(port, '127.0.0.1')
    await once(socket, 'connect').finally(() => socket.destroy())
  })
  return `mqtt://127.0.0.1:${port}`
}

/** A device gets what has not expired when it comes back, and does it once. */
async function deviceThatWasAway({
  url,
  give,
  commands,
}: {
  url: string
  give(id: string, expires: string): Promise<void>
  commands(device: string): Promise<readonly CommandNow[]>
}): Promise<void> {
  const options = { clientId: 'pump', clean: false, reconnectPeriod: 0 } as const
  const first = await mqtt.connectAsync(url, options)
  await first.subscribeAsync('devices/pump/commands', { qos: 1 })
  await first.endAsync()
  const states = async (): Promise<string[]> =>
    (await commands('pump')).map(({ id, state }) => `${id} ${state}`).sort()
  await give('brief', '1s')
  await give('long', '10m')
  // Given again by somebody who did not hear the answer.
  await give('long', '10m')
  await eventually(
    async () => assert.deepEqual(await states(), ['brief expired', 'long sent']),
    slowMs,
  )
  const second = mqtt.connect(url, { ...options, manualConnect: true })
  const got: string[] = []
  second.on('message', (topic, payload) => {
    got.push((JSON.parse(payload.toString()) as { id: string }).id)
    second.publish(`${topic}/ack`, payload, { qos: 1 })
  })
  second.connect()
  await eventually(
    async () => assert.deepEqual(await states(), ['brief expired', 'long acknowledged']),
    slowMs,
  )
  assert.deepEqual([...new Set(got)], ['long'])
  await second.endAsync()
}
