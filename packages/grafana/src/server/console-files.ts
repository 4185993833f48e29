import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import fastifyStatic from '@fastify/static'
import type { FastifyInstance, FastifyReply } from 'fastify'

const builtFolder = fileURLToPath(new URL('../../dist/web/', import.meta.url))

const notBuilt = `<!doctype html><title>Khlong</title><p>The console is not built yet.
Run <code>node packages/grafana/web/build.ts</code> once, then reload this page.</p>`

/** Serves the built console, compressed ahead; every path that is no file is a place of it. */
export async function serveConsole(
  app: FastifyInstance,
  folder: string = builtFolder,
): Promise<void> {
  if (existsSync(folder))
    await app.register(fastifyStatic, {
      root: folder,
      preCompressed: true,
      index: false,
      cacheControl: false,
      setHeaders: (reply, file) => {
        // Names in assets/ carry a hash of the content.
        const lasting = file.includes(`${path.sep}assets${path.sep}`)
        reply.header('cache-control', lasting ? 'public, max-age=31536000, immutable' : 'no-cache')
      },
    })
  const sendPage = async (reply: FastifyReply): Promise<FastifyReply> => {
    // Read each time: the page names its scripts, and a new build has others.
    const page = await readFile(path.join(folder, 'index.html')).catch(() => notBuilt)
    return reply
      .header('content-type', 'text/html; charset=utf-8')
      .header('cache-control', 'no-cache')
      .send(page)
  }
  app.get('/', async (_request, reply) => sendPage(reply))
  app.setNotFoundHandler(async (request, reply) => {
    const [pathname = '/'] = request.url.split('?')
    const isApi = pathname.startsWith('/api/') || pathname.startsWith('/-/')
    const isFile = /\.[a-z\d]{1,5}$/.test(pathname)
    if (request.method !== 'GET' || isApi || isFile)
      return reply.code(404).send({ message: 'Not found' })
    return sendPage(reply)
  })
}
