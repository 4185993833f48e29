import type { FastifyReply, FastifyRequest } from 'fastify'
import { GrafanaError, upstreamFailed } from '../errors.ts'

const answerBytesMax = 64_000_000

/** Passes a request on and its answer back: method, query, body, status and content type. */
export async function proxyTo(options: {
  part: string
  url: string
  path: string
  request: FastifyRequest
  reply: FastifyReply
  /** What the other side knows us by. */
  token?: string | undefined
}): Promise<FastifyReply> {
  const { part, url, path, request, reply, token } = options
  const base = new URL(url)
  const prefix = `${base.pathname.replace(/\/$/, '')}/`
  const target = new URL(prefix + path, base)
  // A path with `..` in it must not lead out of what was configured.
  if (target.origin !== base.origin || !target.pathname.startsWith(prefix))
    throw new GrafanaError('GRAFANA_BAD_REQUEST', 'the path leads out of the data source')
  const search = request.url.indexOf('?')
  if (search >= 0) target.search = request.url.slice(search)
  const hasBody = request.method !== 'GET' && request.method !== 'HEAD'
  let response: Response
  try {
    response = await fetch(target, {
      method: request.method,
      redirect: 'manual',
      signal: AbortSignal.timeout(30_000),
      headers: {
        accept: 'application/json',
        ...bearer(token),
        ...(hasBody && request.headers['content-type']
          ? { 'content-type': request.headers['content-type'] }
          : {}),
      },
      ...(hasBody && request.body !== undefined ? { body: bodyOf(request) } : {}),
    })
  } catch (error) {
    throw upstreamFailed(part, `${part} at ${base.host} does not answer`, error)
  }
  if (Number(response.headers.get('content-length')) > answerBytesMax) {
    await response.body?.cancel()
    throw upstreamFailed(part, `${part} answered more than ${answerBytesMax} bytes`)
  }
  const type = response.headers.get('content-type')
  if (type) reply.header('content-type', type)
  return reply.code(response.status).send(Buffer.from(await response.arrayBuffer()))
}

/** The header by which a part knows one of this run's own clients. */
export function bearer(token: string | undefined): Record<string, string> {
  return token === undefined ? {} : { authorization: `Bearer ${token}` }
}

function bodyOf(request: FastifyRequest): string {
  const { body } = request
  if (typeof body === 'string') return body
  if (body instanceof URLSearchParams) return body.toString()
  return JSON.stringify(body)
}
