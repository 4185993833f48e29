import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { temporaryFolder } from '@khlong/core/testing'
import { type GrafanaOptions, GrafanaServer } from '../src/index.ts'

interface TestContext {
  after(cleanUp: () => Promise<void> | void): void
}

/** A console on a free port with its own folder; stopped when the test ends. */
export async function startConsole(
  t: { after(cleanUp: () => Promise<void>): void },
  options: GrafanaOptions = {},
): Promise<GrafanaServer & { url: string }> {
  const folder = await temporaryFolder(t)
  const server = new GrafanaServer({ listen: 0, data: path.join(folder, 'data'), ...options })
  await server.start()
  t.after(() => server.stop({ deadlineMs: 500 }))
  return Object.assign(server, { url: `http://${server.addresses.http}` })
}

/** An HTTP server of the test's own on a free port. */
export async function startHttp(
  t: TestContext,
  answer: (request: IncomingMessage, response: ServerResponse, body: string) => void,
): Promise<string> {
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += String(chunk)
    answer(request, response, body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(async () => {
    server.closeAllConnections()
    await new Promise<void>((resolve) => server.close(() => resolve()))
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
