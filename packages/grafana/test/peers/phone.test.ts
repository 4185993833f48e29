import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { pbkdf2Sync, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import path from 'node:path'
import test, { after, before, type TestContext } from 'node:test'
import { eventually, temporaryFolder } from '@khlong/core/testing'
import mqtt from 'mqtt'
import type { Browser } from 'playwright-core'
import { peer } from '../../../../tools/peers.ts'
import { freePort } from '../../../../tools/real-engines.ts'
import { startConsole } from '../helpers.ts'
import { faultsOf, launchBrowser, openPage, screens } from './browser.ts'

// A browser that plays a phone, and a real Mosquitto that it sends to over WebSocket.

let browser: Browser
const phone = { ...screens[2]![1], hasTouch: true, isMobile: true }

before(async () => {
  browser = await launchBrowser()
})
after(() => browser?.close())

test('the code on the page of sensors opens a phone that sends frames as its own device', async (t) => {
  const { url, frames } = await startWithBroker(t)
  await using page = await openPage(browser, `${url}/sensors`, undefined, /status of 404/)
  await page.locator('.qr-code path[d^="M"]').waitFor()
  assert.deepEqual(await faultsOf(page), [])
  await page.getByLabel('Name of the sensor').fill('greenhouse')
  const address = (await page.locator('.use-phone code').textContent()) ?? ''
  assert.match(address, /\/phone#phone=[\w-]+$/)
  await using held = await openPage(browser, address, {
    ...phone,
    permissions: ['geolocation'],
    geolocation: { latitude: 13.75, longitude: 100.5, accuracy: 12 },
  })
  await held.getByRole('heading', { name: 'greenhouse' }).waitFor()
  assert.doesNotMatch(held.url(), /#/)
  await held.getByLabel('Location').check()
  await held.locator('.senses').getByText('13.75, 100.5, 12').waitFor()
  await held.getByRole('checkbox', { name: /^Light/ }).click()
  await held.getByText('not in this browser').waitFor()
  await held.getByRole('slider', { name: /^Temperature/ }).fill('31.5')
  await held.getByRole('button', { name: 'Send frames' }).click()
  await held.getByText('Sending each second').waitFor()
  const frame = await eventually(() => {
    const last = frames.find(({ seq }) => seq === 2)
    assert.ok(last)
    return last
  })
  assert.deepEqual([frame.name, typeof frame.boot], ['greenhouse', 'number'])
  assert.match(String(frame.id), /^phone-/)
  assert.deepEqual(frame.payload, {
    temperature: 31.5,
    humidity: 55,
    pressure: 1013,
    luminosity: 12_000,
    latitude: 13.75,
    longitude: 100.5,
    accuracy: 12,
  })
  await held.getByLabel('Location').uncheck()
  await eventually(() => {
    const { payload } = frames.at(-1)!
    assert.equal((payload as Record<string, unknown>).latitude, undefined)
  })
  await held.getByRole('button', { name: 'Stop' }).click()
  await held.getByText('Not sending').waitFor()
  await page.locator('.sensor-table').getByText('greenhouse').waitFor()
})

test('without the network frames wait, and arrive when it is back, each once', async (t) => {
  const broker = await startWithBroker(t)
  await using page = await openPage(browser, `${broker.url}/sensors`, undefined, /status of 404/)
  const address = (await page.locator('.use-phone code').textContent()) ?? ''
  await using held = await openPage(browser, address, phone, /WebSocket|ERR_/)
  await held.getByRole('button', { name: 'Send frames' }).click()
  await eventually(() => assert.ok(broker.frames.length >= 2))
  await broker.cut()
  await held.getByText('Connecting…').waitFor()
  const sent = held.locator('.phone-state dd').first()
  const before = Number(await sent.textContent())
  await eventually(async () => assert.ok(Number(await sent.textContent()) >= before + 2))
  await broker.join()
  await held.getByText('Sending each second').waitFor()
  await eventually(() => {
    const numbers = broker.frames.map(({ seq }) => Number(seq))
    assert.ok(numbers.length >= before + 4)
    assert.deepEqual(
      [...new Set(numbers)].sort((a, b) => a - b),
      Array.from({ length: Math.max(...numbers) + 1 }, (_, index) => index),
    )
  })
})

test('where the broker asks who it is, the phone says so, and a wrong secret is said', async (t) => {
  const broker = await startWithBroker(t, { user: 'greenhouse-1', password: 'secret-of-it' })
  await using page = await openPage(browser, `${broker.url}/sensors`, undefined, /status of 404/)
  await page.locator('.use-phone').waitFor()
  const open = async (secret: string) => {
    await page.getByLabel('Name of the sensor').fill('greenhouse-1')
    await page.getByLabel('Secret of the device').fill(secret)
    const address = (await page.locator('.use-phone code').textContent()) ?? ''
    assert.equal(address.includes(secret), false)
    return openPage(browser, address, phone)
  }
  await using stranger = await open('a-guess')
  await stranger.getByRole('button', { name: 'Send frames' }).click()
  await stranger.getByText(/Not authorized/).waitFor()
  await using held = await open('secret-of-it')
  await held.getByRole('button', { name: 'Send frames' }).click()
  await held.getByText('Sending each second').waitFor()
  await eventually(() => assert.equal(broker.frames[0]?.id, 'greenhouse-1'))
  // The next time it is opened without the code, too.
  await held.reload()
  await held.getByRole('heading', { name: 'greenhouse-1' }).waitFor()
})

for (const [name, options] of screens)
  test(`the phone’s page has no violation of axe and nothing cut off: ${name}`, async (t) => {
    const { url } = await startConsole(t)
    const link = Buffer.from(JSON.stringify(['a', 'a', '1', 'iot-frames', 1])).toString('base64url')
    await using page = await openPage(browser, `${url}/phone`, options)
    await page.locator('.face-title').waitFor()
    assert.deepEqual(await faultsOf(page), [])
    await page.goto(`${url}/phone#phone=${link}`)
    await page.reload()
    await page.locator('.senses').waitFor()
    assert.deepEqual(await faultsOf(page), [])
  })

/** A console over a Mosquitto, the frames that it was sent, and a network that can be cut. */
async function startWithBroker(t: TestContext, login?: { user: string; password: string }) {
  const folder = await temporaryFolder(t)
  const [port, webSocket, network] = [await freePort(), await freePort(), await freePort()]
  const file = path.join(folder, 'mosquitto.conf')
  await writeFile(
    file,
    [
      // Started by root it would give up its rights and could not read the folder of the test.
      'user root',
      `listener ${port} 127.0.0.1`,
      `listener ${webSocket} 127.0.0.1`,
      'protocol websockets',
      login ? `password_file ${path.join(folder, 'passwd')}` : 'allow_anonymous true',
      '',
    ].join('\n'),
  )
  if (login) await writeFile(path.join(folder, 'passwd'), passwordLine(login))
  const credentials = login ? `${login.user}:${login.password}@` : ''
  const child = spawn(peer('mosquitto'), ['-c', file], { stdio: 'ignore' })
  t.after(async () => {
    const ended = child.exitCode === null ? once(child, 'exit') : undefined
    child.kill('SIGKILL')
    await ended
  })
  const frames: Record<string, unknown>[] = []
  const reader = mqtt.connect(`mqtt://${credentials}127.0.0.1:${port}`, { reconnectPeriod: 50 })
  t.after(() => reader.endAsync(true))
  reader.on('error', () => {})
  reader.on('message', (_topic, bytes) => frames.push(JSON.parse(bytes.toString())))
  await eventually(() => assert.equal(reader.connected, true))
  await reader.subscribeAsync('iot-frames', { qos: 1 })
  const sockets = new Set<Socket>()
  const way = createServer((near) => {
    const far = connect(webSocket, '127.0.0.1')
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.once('close', () => {
        sockets.delete(socket)
        other.destroy()
      })
      socket.pipe(other)
    }
  })
  const join = async (): Promise<void> => {
    way.listen(network, '127.0.0.1')
    await once(way, 'listening')
  }
  const cut = async (): Promise<void> => {
    const closed = once(way, 'close')
    way.close()
    for (const socket of sockets) socket.destroy()
    await closed
  }
  await join()
  t.after(cut)
  const { url } = await startConsole(t, {
    mqtt: `mqtt://${credentials}127.0.0.1:${port}`,
    mqttWebsocket: `ws://127.0.0.1:${network}`,
  })
  return { url, frames, cut, join }
}

/** A line as mosquitto_passwd writes it: PBKDF2 with SHA-512. */
function passwordLine({ user, password }: { user: string; password: string }): string {
  const salt = randomBytes(12)
  const hash = pbkdf2Sync(password, salt, 101, 64, 'sha512')
  return `${user}:$7$101$${salt.toString('base64')}$${hash.toString('base64')}\n`
}
