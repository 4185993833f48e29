import { mkdir, writeFile } from 'node:fs/promises'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import type { TestContext } from 'node:test'
import { temporaryFolder } from '@khlong/core/testing'
import { PrometheusServer } from '../src/index.ts'

/** A target that exposes whatever `text` gives to the user agent that asks. */
export async function startTarget(
  t: TestContext,
  text: (userAgent: string) => string,
): Promise<string> {
  const server = http.createServer((request, response) => {
    response.setHeader('content-type', 'text/plain; version=0.0.4')
    response.end(text(request.headers['user-agent'] ?? ''))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.closeAllConnections())
  t.after(() => server.close())
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

export interface RunningPrometheus {
  readonly server: PrometheusServer
  readonly url: string
  readonly folder: string
  /** Asks the API and gives `data`; throws the API's own error. */
  ask(path: string): Promise<unknown>
}

/** A server on a free port with the files given, in a folder of its own. */
export async function startPrometheus(
  t: TestContext,
  files: Readonly<Record<string, string>>,
  folder?: string,
): Promise<RunningPrometheus> {
  const root = folder ?? (await temporaryFolder(t))
  for (const [name, text] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(root, name)), { recursive: true })
    await writeFile(path.join(root, name), text)
  }
  const server = new PrometheusServer({
    listen: 0,
    data: path.join(root, 'data'),
    'config.file': path.join(root, 'prometheus.yml'),
  })
  t.after(() => server.stop())
  await server.start()
  const url = `http://${server.addresses.http}`
  return {
    server,
    url,
    folder: root,
    ask: async (request) => {
      const response = await fetch(`${url}/api/v1/${request}`)
      const answer = (await response.json()) as { status: string; error?: string; data: unknown }
      if (answer.status !== 'success') throw new Error(answer.error)
      return answer.data
    },
  }
}
