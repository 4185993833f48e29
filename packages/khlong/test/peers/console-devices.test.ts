import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { symlink } from 'node:fs/promises'
import path from 'node:path'
import test, { type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { AccessStore, readAudit } from '@khlong/core/access'
import { eventually, temporaryFolder } from '@khlong/core/testing'
import { MongoClient } from 'mongodb'
import mqtt from 'mqtt'
import type { Browser, Page } from 'playwright-core'
import { peer } from '../../../../tools/peers.ts'
import { PipelineProcess } from '../../../../tools/pipeline-process.ts'
import { faultsOf, launchBrowser, openPage, screens } from '../../../grafana/test/peers/browser.ts'

// A person with a browser gives a device its place in a pipeline that asks everybody who they are.

const modules = fileURLToPath(new URL('../../../../node_modules', import.meta.url))
const password = 'correct horse'
/** What the browser writes down for itself where a request was refused, as it was meant to be. */
const refusals = /status of (?:400|401)|ERR_CONNECTION/

async function logIn(browser: Browser, url: string): Promise<Page & AsyncDisposable> {
  const page = await openPage(browser, url, undefined, refusals)
  await page.locator('[name=username]').fill('ada')
  await page.locator('.password-field input').fill(password)
  await page.locator('.entry .button.primary').click()
  await page.locator('.app').waitFor()
  return page
}

/** Saves the program that the page offers, unchanged, and runs it until the test ends. */
async function runProgram(
  t: TestContext,
  page: Page,
  { tab, folder, command }: { tab: string; folder: string; command: string },
): Promise<{ said(): string; end(): Promise<void> }> {
  await page.getByRole('tab', { name: tab, exact: true }).click()
  const offered = page.waitForEvent('download')
  await page.getByRole('button', { name: /^Save / }).click()
  const download = await offered
  const file = path.join(folder, download.suggestedFilename())
  await download.saveAs(file)
  const child = spawn(command, [file], { stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      said += chunk.toString()
    })
  const end = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }
  t.after(end)
  return { said: () => said, end }
}

test('devices that were added in the console send by the programs that it shows, and no longer when revoked', async (t) => {
  const folder = await temporaryFolder(t)
  const pipeline = await PipelineProcess.create({
    folder,
    set: ['sensors=false', 'mqtt.allow_anonymous=false'],
  })
  t.after(() => pipeline.kill())
  const access = path.join(pipeline.folder, 'data', 'access')
  const scrypt = { cost: 16, blockSize: 1, parallelization: 1 }
  await new AccessStore({ folder: access, scrypt }).addFirstAdministrator({ name: 'ada', password })
  await pipeline.start()
  // Beside the packages that `npm install mqtt` would bring.
  await symlink(modules, path.join(folder, 'node_modules'))
  const browser = await launchBrowser()
  t.after(() => browser.close())
  const url = `http://127.0.0.1:${pipeline.ports.grafana}`
  await using page = await logIn(browser, `${url}/sensors?tab=devices`)
  await page.getByText('No device is registered yet').waitFor()

  const add = async (name: string, place: string): Promise<void> => {
    await page.getByRole('button', { name: 'Add a device' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByRole('textbox', { name: /^Name/ }).fill(name)
    await dialog.getByRole('textbox', { name: /^Place/ }).fill(place)
    await dialog.getByRole('button', { name: 'Add', exact: true }).click()
  }
  for (const name of ['<img src=x onerror=alert(1)>', '../../etc/passwd', 'a b']) {
    await add(name, '1')
    await page.getByText(/a device's name has 1 to 64 letters/).waitFor()
    await page.keyboard.press('Escape')
  }
  await add('greenhouse-1', 'เรือนเพาะชำ 1')
  await page.getByText('Waiting for its first frame…').waitFor()
  assert.deepEqual(await faultsOf(page), [])
  const secret = (await page.locator('.sketch-dialog .copy-line code').textContent()) ?? ''
  assert.match(secret, /^[a-z2-9]{20}$/)
  const sketch = page.locator('.sketch pre')
  for (const tab of ['ESP32', 'MicroPython']) {
    await page.getByRole('tab', { name: tab, exact: true }).click()
    assert.ok((await sketch.textContent())?.includes(secret), tab)
  }
  const greenhouse = await runProgram(t, page, { tab: 'Python', folder, command: peer('python') })
  await page.getByText('It is live').waitFor({ timeout: 60_000 })
  await page.getByRole('button', { name: 'Done' }).click()
  assert.ok(!(await page.content()).includes(secret))

  await add('roof', '7')
  const roof = await runProgram(t, page, { tab: 'Node', folder, command: process.execPath })
  await page.getByText('It is live').waitFor({ timeout: 60_000 })
  await page.getByRole('button', { name: 'Done' }).click()

  // A phone that opens the code is that device, without typing a secret.
  await add('pocket', '7')
  await page.getByRole('tab', { name: 'Phone', exact: true }).click()
  const code = (await page.locator('.use-phone .copy-line code').textContent()) ?? ''
  {
    await using phone = await openPage(browser, code, screens[2]![1])
    await phone.getByRole('heading', { name: 'pocket' }).waitFor()
    await phone.getByRole('button', { name: 'Send frames' }).click()
    await page.getByText('It is live').waitFor({ timeout: 60_000 })
  }
  await page.getByRole('button', { name: 'Done' }).click()

  const client = await MongoClient.connect(`mongodb://127.0.0.1:${pipeline.ports.mongodb}`)
  t.after(() => client.close())
  const frames = client.db('iot').collection('iot_frames')
  await eventually(async () => {
    const said = `${greenhouse.said()}${roof.said()}${pipeline.output}`
    assert.equal((await frames.findOne({ id: 'greenhouse-1' }))?.place_id, 'เรือนเพาะชำ 1', said)
    assert.equal((await frames.findOne({ id: 'roof' }))?.name, 'roof', said)
    assert.equal((await frames.findOne({ id: 'pocket' }))?.place_id, '7', said)
  }, 30_000)

  const row = (name: string) => page.locator('tr', { hasText: name })
  const choose = async (name: string, action: string): Promise<void> => {
    await page.getByRole('button', { name: `More for ${name}` }).click()
    await page.getByRole('button', { name: action, exact: true }).click()
    await page.getByRole('dialog').getByRole('button', { name: action, exact: true }).click()
  }
  await row('greenhouse-1').getByText('live').waitFor()
  await choose('greenhouse-1', 'Revoke')
  await row('greenhouse-1').getByText('revoked').waitFor()
  await choose('roof', 'New secret')
  await page.locator('.sketch-dialog').waitFor()
  await page.getByRole('button', { name: 'Done' }).click()
  await row('roof').getByText('wrong secret').waitFor({ timeout: 60_000 })
  await choose('roof', 'Remove')
  await row('roof').waitFor({ state: 'detached' })
  await Promise.all([greenhouse.end(), roof.end()])

  const changes = (await readAudit(access, { limit: 100 })).filter(
    ({ action }) => action !== 'login',
  )
  assert.deepEqual(
    changes.map(({ who, action, target, status, detail = '' }) =>
      [who, action, target, status, detail].join(' ').trim(),
    ),
    [
      'ada DELETE /-/devices/roof 200',
      'ada POST /-/devices/roof/rotate 200',
      'ada POST /-/devices/greenhouse-1/revoke 200',
      'ada POST /-/devices 201 pocket',
      'ada POST /-/devices 201 roof',
      'ada POST /-/devices 201 greenhouse-1',
      'ada POST /-/devices 400 a b',
      'ada POST /-/devices 400 ../../etc/passwd',
      'ada POST /-/devices 400 <img src=x onerror=alert(1)>',
    ],
  )
  assert.equal(await pipeline.stop(), 0, pipeline.output)
})

test('script in what a device sends is shown as what it is, in every place', async (t) => {
  const folder = await temporaryFolder(t)
  const pipeline = await PipelineProcess.create({
    folder,
    set: ['sensors=false', 'streams.settings.window.size.ms=2000'],
  })
  t.after(() => pipeline.kill())
  await pipeline.start()
  const script = (where: string): string =>
    `"><img src=x onerror="document.title='${where}'"><script>document.title='${where}'</script>`
  const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${pipeline.ports.mqtt}`, {
    clientId: script('client'),
  })
  t.after(() => client.endAsync(true))
  const frame = {
    id: script('id'),
    name: script('name'),
    place_id: script('place'),
    payload: {
      temperature: 21,
      humidity: 40,
      pressure: 1_013,
      luminosity: 300,
      more: script('more'),
    },
  }
  await client.subscribeAsync(`${script('filter').replaceAll('#', '')}/+`)
  const browser = await launchBrowser()
  t.after(() => browser.close())
  const url = `http://127.0.0.1:${pipeline.ports.grafana}`
  await using page = await openPage(browser, `${url}/sensors`, undefined, refusals)
  const sending = setInterval(() => {
    client.publish('iot-frames', JSON.stringify(frame), { qos: 1 })
    client.publish(`x/${script('topic')}`, script('payload'), { qos: 1, retain: true })
    client.publish('iot-frames', script('bad'), { qos: 1 })
  }, 500)
  t.after(() => clearInterval(sending))
  const shown = page.locator('main').getByText("document.title='").first()
  await shown.waitFor()
  await page.locator('.sensor-name a').first().click()
  await page.locator('.sensor-detail').waitFor()
  const kafka = '/kafka/iot-frames-dead-letters'
  for (const place of [
    '/',
    '/flow',
    '/mqtt',
    '/kafka/iot-frames',
    kafka,
    '/documents',
    '/explore',
  ]) {
    await page.goto(`${url}${place}`)
    await page.locator('main').locator('section, .panel').first().waitFor()
    await page.waitForLoadState('load')
    if (/mqtt|kafka/.test(place)) await shown.waitFor()
    assert.doesNotMatch(
      await page.title(),
      /^(?:client|id|name|place|more|topic|payload|bad)$/,
      place,
    )
    assert.equal(await page.locator('img[src="x"], body script').count(), 0, place)
  }
  assert.equal(await pipeline.stop(), 0, pipeline.output)
})
