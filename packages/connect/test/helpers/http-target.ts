import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { stopsOf } from './stops.ts'

export interface TakenRequest {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

export interface HttpTarget {
  readonly url: string
  /** What came, in order. */
  readonly requests: TakenRequest[]
  /** What the next requests are answered with; 200 when there is nothing left. */
  readonly answers: { status: number; body?: string }[]
}

/** An HTTP server that takes what it is sent and answers what a test says. */
export async function startHttpTarget(t: TestContext): Promise<HttpTarget> {
  const requests: TakenRequest[] = []
  const answers: HttpTarget['answers'] = []
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    const { method = '', url = '', headers } = request
    requests.push({ method, url, headers, body: Buffer.concat(parts) })
    const { status, body = '' } = answers.shift() ?? { status: 200 }
    response.writeHead(status, { 'content-type': 'application/json' }).end(body)
  })
  stopsOf(t).push(async () => {
    server.closeAllConnections()
    server.close()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests, answers }
}
