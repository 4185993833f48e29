import { type Clock, CodedError, formatListen, type ListenAddress } from '@khlong/core'
import { type AccessGuard, guardServer, withoutSchemas } from '@khlong/core/access'
import fastify, { type FastifyInstance } from 'fastify'
import { ConnectError } from '../errors.ts'
import { parseBody } from './bodies.ts'
import { errorAnswer } from './errors.ts'
import { forward } from './forward.ts'
import { type RestContext, type RestRequest, type Route, routes } from './routes.ts'

const bodyBytesMax = 1024 * 1024
// What is asked for may still be done later, as for Java's workers.
const answerMsMax = 90_000

/** Kafka Connect's REST API over HTTP. */
export class RestServer {
  readonly #http: FastifyInstance
  readonly #clock: Clock
  #context: RestContext | undefined

  constructor(guard: AccessGuard, clock: Clock) {
    this.#clock = clock
    this.#http = fastify({
      logger: false,
      schemaController: withoutSchemas,
      bodyLimit: bodyBytesMax,
      forceCloseConnections: true,
      routerOptions: { ignoreTrailingSlash: true, maxParamLength: 500 },
    })
    // Bodies are JSON whatever their type says, as for Java's workers; none is allowed too.
    this.#http.removeAllContentTypeParsers()
    this.#http.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => {
      try {
        done(null, parseBody(String(body)))
      } catch (error) {
        done(error as Error)
      }
    })
    this.#http.setErrorHandler((error, _request, reply) => {
      const body = errorAnswer(error)
      return reply.status(body.error_code).send(body)
    })
    this.#http.setNotFoundHandler((request, reply) => {
      const [path = ''] = request.url.split('?')
      const isKnown = routes.some((route) => patternOf(route).test(path))
      const [code, text] = isKnown ? [405, 'Method Not Allowed'] : [404, 'Not Found']
      return reply.status(code).send({ error_code: code, message: `HTTP ${code} ${text}` })
    })
    guardServer(this.#http, guard, {
      reads: ['/connector-plugins/:name/config/validate'],
      render: (status, message) => ({ error_code: status, message }),
    })
    for (const route of routes) this.#add(route)
  }

  /** Adds a page of ours beside the API (`/metrics`). */
  text(path: string, contentType: string, render: () => string): void {
    this.#http.get(path, (_request, reply) => reply.type(contentType).send(render()))
  }

  /** Listens; until `open` is called requests are answered as by a worker that is starting. */
  async listen(address: ListenAddress): Promise<string> {
    try {
      await this.#http.listen({ host: address.host, port: address.port })
    } catch (error) {
      const isTaken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE'
      const where = formatListen(address)
      throw new CodedError(
        isTaken ? 'LISTEN_TAKEN' : 'LISTEN_FAILED',
        isTaken ? `${where} is taken by another process` : `could not listen on ${where}`,
        { cause: error, fields: { host: address.host, port: address.port } },
      )
    }
    const bound = this.#http.server.address()
    const port = bound !== null && typeof bound === 'object' ? bound.port : address.port
    return formatListen({ host: address.host, port })
  }

  /** Begins to answer. */
  open(context: RestContext): void {
    this.#context = context
  }

  async close(): Promise<void> {
    await this.#http.close()
  }

  /** @throws ConnectError `CONNECT_FAILED` where the answer takes longer than Java's worker waits. */
  async #inTime<Answer>(answer: Answer | Promise<Answer>): Promise<Answer> {
    const late = Promise.withResolvers<never>()
    const timer = this.#clock.setTimer(() => {
      late.reject(new ConnectError('CONNECT_FAILED', 'Request timed out'))
    }, answerMsMax)
    try {
      return await Promise.race([answer, late.promise])
    } finally {
      this.#clock.clearTimer(timer)
    }
  }

  #add({ method, path, at, handle }: Route): void {
    this.#http.route({
      method,
      url: path,
      handler: async (request, reply) => {
        if (!this.#context) {
          const message = 'Worker is still starting up.'
          const body = path === '/health' ? { status: 'starting' } : { error_code: 503 }
          return reply.status(503).send({ ...body, message })
        }
        const asked: RestRequest = {
          params: request.params as Record<string, string>,
          query: request.query as Record<string, string | string[] | undefined>,
          body: request.body,
        }
        const target = await at?.(asked, this.#context)
        if (target !== undefined) {
          const { method, url, body, headers } = request
          const { authorization } = headers
          const { status, text } = await forward(target, { method, url, body, authorization })
          reply.status(status)
          return text === '' ? reply.send() : reply.type('application/json').send(text)
        }
        const answer = await this.#inTime(handle(asked, this.#context))
        reply.status(answer.status)
        return answer.body === undefined
          ? reply.send()
          : reply.type('application/json').send(JSON.stringify(answer.body))
      },
    })
  }
}

function patternOf({ path }: Route): RegExp {
  return new RegExp(`^${path.replaceAll(/:\w+/g, '[^/]+')}/?$`)
}
