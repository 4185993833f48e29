import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import path from 'node:path'
import test, { type TestContext } from 'node:test'
import { AccessStore } from '@khlong/core/access'
import { temporaryFolder } from '@khlong/core/testing'
import { startConsole } from './helpers.ts'

// Somebody on the network who has no login, and means harm.

async function startClosed(t: TestContext): Promise<number> {
  const access = path.join(await temporaryFolder(t), 'access')
  const scrypt = { cost: 16, blockSize: 1, parallelization: 1 }
  const store = new AccessStore({ folder: access, scrypt })
  await store.addFirstAdministrator({ name: 'ada', password: 'correct horse' })
  const { url } = await startConsole(t, { access })
  return Number(new URL(url).port)
}

/** Begins a request with a body that never ends; gives the status line of the answer. */
async function halfRequest(t: TestContext, port: number, head: string): Promise<string> {
  const socket = net.connect(port, '127.0.0.1')
  t.after(() => socket.destroy())
  socket.on('error', () => {})
  socket.write(`${head} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\ncontent-type: application/json\r\n`)
  socket.write('transfer-encoding: chunked\r\n\r\n')
  for (let sent = 0; sent < 4; sent++) socket.write(`4000\r\n${'x'.repeat(0x4000)}\r\n`)
  const [answer] = (await once(socket, 'data')) as [Buffer]
  return answer.toString().split('\r\n')[0] ?? ''
}

test('a stranger is answered before a large body is taken in', async (t) => {
  const port = await startClosed(t)
  const answers: [string, RegExp][] = [
    ['POST /login', / 413 /],
    ['POST /logout', / 413 /],
    ['POST /-/access/setup', / 413 /],
    ['POST /nothing', / 404 /],
    ['PUT /api/nothing', / 404 /],
    ['POST /api/dashboards/db', / 401 /],
    ['POST /-/devices', / 401 /],
    ['POST /-/mqtt/publish', / 401 /],
  ]
  for (const [head, expected] of answers)
    assert.match(await halfRequest(t, port, head), expected, head)
})

test('connections that say nothing, or begin and do not go on, end when their time is over', async (t) => {
  const port = await startClosed(t)
  const sockets = Array.from({ length: 20 }, () => {
    const socket = net.connect(port, '127.0.0.1')
    t.after(() => socket.destroy())
    return socket.on('error', () => {}).resume()
  })
  for (const socket of sockets.slice(10)) socket.write('GET / HTTP/1.1\r\nhost: x\r\n')
  await Promise.all(sockets.map((socket) => once(socket, 'close')))
})
