import assert from 'node:assert/strict'
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import test, { after, before } from 'node:test'
import { promisify } from 'node:util'
import { eventually, temporaryFolder } from '@khlong/core/testing'
import type { Browser } from 'playwright-core'
import { peer } from '../../../../tools/peers.ts'
import { freePort } from '../../../../tools/real-engines.ts'
import { GrafanaServer } from '../../src/index.ts'
import { type FakePlatform, startFakePlatform } from '../fake-platform.ts'
import { startHttp } from '../helpers.ts'
import { faultsOf, launchBrowser, openPage, screens } from './browser.ts'

// A real browser over a real Prometheus and a real Mosquitto; only the platform's state is made up.

const run = promisify(execFile)
const cleanUps: (() => Promise<void> | void)[] = []
const context = {
  after: (cleanUp: () => Promise<void> | void): void => {
    cleanUps.push(cleanUp)
  },
}
const children: ChildProcess[] = []
let browser: Browser
let platform: FakePlatform
let url = ''
let temperature = 27
let broker = 0

const sensors = [
  ['12434345', 'iot_sensor_1', '32347983'],
  ['21321434', 'iot_sensor_2', '32347983'],
  ['43245253', 'iot_sensor_3', '42343243'],
] as const

before(async () => {
  const folder = await temporaryFolder(context)
  const exporter = await startHttp(context, (_request, response) => {
    response.end(
      ['temperature', 'humidity', 'pressure', 'luminosity']
        .flatMap((measure, kind) =>
          sensors.map(
            ([id, name, place], index) =>
              `sample_sensor_metric_${measure}{sensor_id="${id}",sensor_name="${name}",place_id="${place}"} ${temperature + index + kind * 30}`,
          ),
        )
        .join('\n')
        .concat('\n'),
    )
    temperature += 0.1
  })
  const prometheus = await freePort()
  broker = await freePort()
  await writeFile(
    path.join(folder, 'prometheus.yml'),
    `global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [rules.yml]
scrape_configs: [{job_name: iot-metrics-time-series, static_configs: [{targets: ['${new URL(exporter).host}']}]}]
`,
  )
  await writeFile(
    path.join(folder, 'rules.yml'),
    'groups: [{name: iot, rules: [{alert: HotPlace, expr: sample_sensor_metric_temperature > 20, annotations: {summary: hot}}]}]\n',
  )
  start('prometheus', [
    `--config.file=${path.join(folder, 'prometheus.yml')}`,
    `--storage.tsdb.path=${path.join(folder, 'tsdb')}`,
    `--web.listen-address=127.0.0.1:${prometheus}`,
  ])
  await writeFile(
    path.join(folder, 'mosquitto.conf'),
    `listener ${broker} 127.0.0.1\nallow_anonymous true\n`,
  )
  start('mosquitto', ['-c', path.join(folder, 'mosquitto.conf')])
  platform = await startFakePlatform()
  cleanUps.push(async () => platform[Symbol.asyncDispose]())
  const server = new GrafanaServer({
    listen: 0,
    data: path.join(folder, 'data'),
    dashboards: await dashboardsWithoutMongodb(folder),
    prometheus: `http://127.0.0.1:${prometheus}`,
    mqtt: `mqtt://127.0.0.1:${broker}`,
    platform: platform.url,
  })
  await server.start()
  cleanUps.push(() => server.stop({ deadlineMs: 500 }))
  url = `http://${server.addresses.http}`
  await eventually(async () => {
    const answer = await fetch(
      `http://127.0.0.1:${prometheus}/api/v1/query?query=sample_sensor_metric_temperature`,
    )
    assert.match(await answer.text(), /iot_sensor_3/)
  }, 20_000)
  browser = await launchBrowser()
})

after(async () => {
  await browser?.close()
  for (const child of children) {
    const ended = child.exitCode === null ? once(child, 'exit') : undefined
    child.kill('SIGKILL')
    await ended
  }
  for (const cleanUp of cleanUps.reverse()) await cleanUp()
})

test('the console opens on the IoT dashboard, and its values change without a reload', async () => {
  await using page = await open('/')
  await page.getByRole('heading', { name: 'IoT sensors' }).waitFor()
  const figure = page.locator('[data-panel="1"] .stat-figure')
  await figure.waitFor()
  const first = await figure.textContent()
  await eventually(async () => assert.notEqual(await figure.textContent(), first), 20_000)
  assert.equal((await page.locator('.panel-timeseries canvas').count()) > 0, true)
})

test('range and refresh are chosen in the bar and stand in the address', async () => {
  await using page = await open('/')
  await page.locator('.time-button').click()
  await page.getByRole('button', { name: 'Last 1 hour' }).click()
  await page.waitForURL(/from=now-1h/)
  await page.locator('.refresh-button').click()
  await page.getByRole('button', { name: '10 s', exact: true }).click()
  await page.waitForURL(/refresh=10s/)
  await page.goBack()
  await page.waitForURL((at) => !at.searchParams.has('from'))
})

test('dragging over a chart zooms all of them', async () => {
  await using page = await open('/')
  const over = page.locator('[data-panel="6"] .u-over')
  await over.waitFor()
  const box = await over.boundingBox()
  assert.ok(box)
  await page.mouse.move(box.x + box.width * 0.4, box.y + 40)
  await page.mouse.down()
  await page.mouse.move(box.x + box.width * 0.7, box.y + 60, { steps: 8 })
  await page.mouse.up()
  await page.waitForURL(/from=\d{13}&to=\d{13}/)
})

test('a legend entry shows its line alone, and a panel fills the page', async () => {
  await using page = await open('/')
  await page.locator('[data-panel="6"] .legend-name').first().click()
  await page.waitForURL(/hide-6=iot_sensor_2&hide-6=iot_sensor_3/)
  await page.locator('[data-panel="6"] .panel-menu').click()
  await page.getByRole('button', { name: 'Show alone' }).click()
  await page.waitForURL(/viewPanel=6/)
  assert.equal(await page.locator('.panel').count(), 1)
  await page.keyboard.press('Escape')
  await page.waitForURL((at) => !at.searchParams.has('viewPanel'))
})

test('the canal shows what flows, and what hurts when a sink falls behind', async () => {
  await using page = await open('/flow')
  await page.getByText('Nothing hurts').waitFor()
  assert.equal(await page.locator('.flow-node').count(), 10)
  platform.pipeline.framesPerSecond = 3_000
  platform.pipeline.storedPerSecond = 100
  await page
    .getByRole('heading', { name: /iot-frames-mongodb-sink is [\d,.k ]+ records behind/ })
    .waitFor()
  await page.getByText('flowing, one part behind').first().waitFor()
  platform.pipeline.framesPerSecond = 3
  platform.pipeline.storedPerSecond = Number.POSITIVE_INFINITY
  await page.getByText('Nothing hurts').waitFor()
})

test('a frame that is sent from the page arrives, and its sensor appears', async () => {
  await using page = await open('/sensors')
  await page.getByText('Waiting for the first frame').waitFor()
  await page.getByRole('button', { name: 'Send a frame' }).click()
  await page.locator('.stage.lit').first().waitFor()
  await page.locator('.sensor-table').getByText('my_sensor').waitFor()
})

test('a frame from a terminal makes its sensor appear within a second or two', async () => {
  await using page = await open('/sensors')
  await page.getByText('Send your own').first().waitFor()
  const frame = JSON.stringify({
    id: '4711',
    name: 'from_a_terminal',
    place_id: '1',
    payload: { temperature: 21 },
  })
  await run(peer('mosquitto_pub'), [
    '-h',
    '127.0.0.1',
    '-p',
    String(broker),
    '-t',
    'iot-frames',
    '-m',
    frame,
  ])
  await page.locator('.sensor-table').getByText('from_a_terminal').waitFor({ timeout: 4_000 })
})

test('the palette finds places and commands, and g with a letter goes', async () => {
  await using page = await open('/')
  // Keys are heard once the page is drawn.
  await page.getByRole('heading', { name: 'IoT sensors' }).waitFor()
  await page.keyboard.press('Control+k')
  await page.getByRole('combobox').fill('alert')
  await page.keyboard.press('Enter')
  await page.waitForURL(/\/alerts/)
  await page.getByText('HotPlace').first().waitFor()
  await page.keyboard.press('g')
  await page.keyboard.press('f')
  await page.waitForURL(/\/flow/)
})

test('language and theme are chosen and stay', async () => {
  await using page = await open('/')
  await page.getByRole('button', { name: 'ภาษาไทย' }).click()
  await page.getByRole('heading', { name: 'เซนเซอร์ IoT' }).waitFor()
  assert.equal(await page.locator('html').getAttribute('lang'), 'th')
  await page.getByRole('button', { name: 'ใช้โทนสีเข้ม' }).click()
  const dark = await page.evaluate('getComputedStyle(document.documentElement).backgroundColor')
  assert.equal(dark, 'rgb(10, 15, 19)')
  await page.reload()
  await page.getByRole('heading', { name: 'เซนเซอร์ IoT' }).waitFor()
})

const places = [
  '/',
  '/dashboards',
  '/flow',
  '/sensors',
  '/sensors?tab=devices',
  '/sensors?tab=commands',
  '/mqtt',
  '/streams',
  '/scrapes',
  '/explore?q=up',
  '/alerts',
]

for (const [name, options] of screens)
  test(`every place has no violation of axe, no error and nothing cut off: ${name}`, async () => {
    const found: string[] = []
    for (const place of places) {
      await using page = await open(place, options)
      await page.locator('h1').first().waitFor()
      await page.waitForLoadState('load')
      await page.locator('.live-mark, .phone-nav').first().waitFor({ state: 'attached' })
      found.push(...(await faultsOf(page)).map((fault) => `${place} ${fault}`))
    }
    assert.deepEqual(found, [])
  })

function open(place: string, options = screens[0]![1]): ReturnType<typeof openPage> {
  return openPage(browser, url + place, options)
}

/** The pipeline's dashboard without the tables of a database that does not run here. */
async function dashboardsWithoutMongodb(folder: string): Promise<string> {
  const source = new URL('../../../../pipelines/iot/dashboards/iot.json', import.meta.url)
  const json = JSON.parse(await readFile(source, 'utf8')) as { panels: { type: string }[] }
  json.panels = json.panels.filter(({ type }) => type !== 'table')
  const target = path.join(folder, 'dashboards')
  await mkdir(target)
  await writeFile(path.join(target, 'iot.json'), JSON.stringify(json))
  return target
}

function start(name: 'prometheus' | 'mosquitto', args: string[]): void {
  children.push(spawn(peer(name), args, { stdio: 'ignore' }))
}
