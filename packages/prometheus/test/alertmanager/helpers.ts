import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import http from 'node:http'
import net from 'node:net'
import path from 'node:path'
import type { TestContext } from 'node:test'
import { temporaryFolder } from '@khlong/core/testing'
import { AlertmanagerServer } from '../../src/index.ts'

/** What a webhook was told. */
export interface ReceivedRequest {
  readonly path: string
  readonly headers: http.IncomingHttpHeaders
  readonly body: {
    readonly status: string
    readonly receiver: string
    readonly groupKey: string
    readonly groupLabels: Record<string, string>
    readonly commonLabels: Record<string, string>
    readonly alerts: {
      readonly status: string
      readonly labels: Record<string, string>
      readonly annotations: Record<string, string>
      readonly startsAt: string
      readonly endsAt: string
      readonly fingerprint: string
    }[]
  } & Record<string, unknown>
}

export interface WebhookServer {
  readonly url: string
  readonly requests: ReceivedRequest[]
  /** Answered with this instead of 200. */
  status: number
}

/** A server that keeps what is posted to it. */
export async function startWebhook(t: TestContext): Promise<WebhookServer> {
  const requests: ReceivedRequest[] = []
  const webhook = { url: '', requests, status: 200 }
  const server = http.createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      if (webhook.status === 200)
        requests.push({
          path: request.url ?? '',
          headers: request.headers,
          body: JSON.parse(Buffer.concat(chunks).toString()),
        })
      response.writeHead(webhook.status).end()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  webhook.url = `http://127.0.0.1:${(server.address() as net.AddressInfo).port}`
  return webhook
}

export interface ReceivedMail {
  readonly from: string
  readonly to: readonly string[]
  readonly text: string
}

/** A server that takes mail, with the login that it asks for. */
export async function startSmtp(
  t: TestContext,
): Promise<{ address: string; mails: ReceivedMail[]; logins: string[] }> {
  const mails: ReceivedMail[] = []
  const logins: string[] = []
  const server = net.createServer((socket) => {
    let buffered = ''
    let from = ''
    let to: string[] = []
    let data: string | undefined
    const say = (line: string): boolean => socket.write(`${line}\r\n`)
    const command = (line: string): void => {
      if (data !== undefined) {
        if (line === '.') {
          mails.push({ from, to, text: data })
          data = undefined
          to = []
          say('250 kept')
        } else data += `${line}\n`
      } else if (/^EHLO/i.test(line)) {
        say('250-test')
        say('250 AUTH PLAIN')
      } else if (/^AUTH PLAIN /i.test(line)) {
        logins.push(Buffer.from(line.slice(11), 'base64').toString().replaceAll('\0', '/'))
        say('235 come in')
      } else if (/^MAIL FROM/i.test(line)) {
        from = /<(.*?)>/.exec(line)?.[1] ?? ''
        say('250 ok')
      } else if (/^RCPT TO/i.test(line)) {
        to.push(/<(.*?)>/.exec(line)?.[1] ?? '')
        say('250 ok')
      } else if (/^DATA/i.test(line)) {
        data = ''
        say('354 go on')
      } else if (/^QUIT/i.test(line)) {
        say('221 bye')
        socket.end()
      } else say('250 ok')
    }
    socket.on('error', () => {})
    socket.on('data', (bytes) => {
      buffered += bytes.toString()
      const lines = buffered.split('\r\n')
      buffered = lines.pop() ?? ''
      for (const line of lines) command(line)
    })
    say('220 test')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  return { address: `127.0.0.1:${(server.address() as net.AddressInfo).port}`, mails, logins }
}

export interface RunningAlertmanager {
  readonly server: AlertmanagerServer
  readonly url: string
  readonly folder: string
  get(path: string): Promise<unknown>
  post(path: string, body: unknown): Promise<Response>
}

/** An Alertmanager on a free port with the configuration given. */
export async function startAlertmanager(
  t: TestContext,
  config: string,
  options: { folder?: string; env?: Record<string, string>; files?: Record<string, string> } = {},
): Promise<RunningAlertmanager> {
  const folder = options.folder ?? (await temporaryFolder(t))
  await mkdir(folder, { recursive: true })
  for (const [name, text] of Object.entries({ 'alertmanager.yml': config, ...options.files }))
    await writeFile(path.join(folder, name), text)
  const server = new AlertmanagerServer({
    listen: 0,
    data: path.join(folder, 'data'),
    'config.file': path.join(folder, 'alertmanager.yml'),
    ...(options.env ? { env: options.env } : {}),
  })
  t.after(() => server.stop())
  await server.start()
  const url = `http://${server.addresses.http}`
  return {
    server,
    url,
    folder,
    get: async (request) => (await fetch(url + request)).json(),
    post: (request, body) =>
      fetch(url + request, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }),
  }
}

/** An alert as the API takes it. */
export function alert(
  labels: Record<string, string>,
  more: Record<string, unknown> = {},
): Record<string, unknown> {
  return { labels, annotations: { summary: `${labels.alertname} is on` }, ...more }
}
