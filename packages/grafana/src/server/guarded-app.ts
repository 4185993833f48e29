import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Logger } from '@khlong/core'
import { AccessError, type AccessErrorCode, type Role, withoutSchemas } from '@khlong/core/access'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { ConsoleAccess } from '../access/console-access.ts'
import { auditDetail } from '../api/people.ts'
import { GrafanaError } from '../errors.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What a route needs; by default looking is a viewer's and changing an editor's. */
    role?: Role | 'public'
    /** Whether a POST asks and changes nothing. */
    isRead?: boolean | ((request: FastifyRequest) => boolean)
  }
}

const bodyBytesMax = 4_000_000
/** What somebody may send who has not said who they are: a name and a password. */
const strangerBodyBytesMax = 16_384
// Strangers that hold connections open must not use up the files that the other parts need.
const connectionsMax = 1_000
const headersWithinMs = 10_000
const requestWithinMs = 60_000

const statusOfAccess: Record<AccessErrorCode, number> = {
  ACCESS_BUSY: 503,
  ACCESS_EXISTS: 409,
  ACCESS_FILE_DAMAGED: 500,
  ACCESS_FILE_NEWER: 500,
  ACCESS_INVALID: 400,
  ACCESS_LAST_ADMINISTRATOR: 409,
  ACCESS_REQUIRED: 500,
  ACCESS_UNKNOWN: 404,
}

// Scripts come from files of our own only. React writes styles through the object model, which
// needs no permission; uPlot's and ours come as files, too.
const contentSecurityPolicy = [
  "default-src 'self'",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "connect-src 'self' ws: wss:",
  "object-src 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
].join('; ')

const securityHeaders = {
  'content-security-policy': contentSecurityPolicy,
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'deny',
  'referrer-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
}

/** A fastify server that lets nobody past who may not, whatever routes are added to it. */
export function guardedApp(
  access: ConsoleAccess,
  options: { logger: Logger; onReceived(): void; onAnswered(status: number): void },
): FastifyInstance {
  const app = fastify({
    logger: false,
    schemaController: withoutSchemas,
    bodyLimit: bodyBytesMax,
    forceCloseConnections: 'idle',
    requestTimeout: requestWithinMs,
    http: { headersTimeout: headersWithinMs, connectionsCheckingInterval: 5_000 },
    routerOptions: { maxParamLength: 2_000 },
  })
  app.server.maxConnections = connectionsMax
  endSilentConnections(app.server)
  app.addHook('onRoute', (route) => {
    if (route.config?.role === 'public') route.bodyLimit = strangerBodyBytesMax
  })
  app.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string' },
    (_request, body, done) => done(null, body),
  )
  app.addHook('onRequest', async (request, reply) => {
    options.onReceived()
    access.requests.add(request.raw, reply.raw)
    // On the raw response: a live stream writes its head by itself.
    for (const [name, value] of Object.entries(securityHeaders)) reply.raw.setHeader(name, value)
    // Else its body would be read first, whoever sends it.
    if (request.is404 && !isReadOnly(request)) return reply.code(404).send({ message: 'Not found' })
    const refusal = await refusalOf(request, access)
    if (!refusal) return undefined
    const { status, message, headers } = refusal
    return reply.code(status).headers(headers).send({ message })
  })
  app.addHook('onResponse', async (request, reply) => {
    options.onAnswered(reply.statusCode)
    if (!isReadOnly(request))
      access.guard.answered(request.raw, reply.statusCode, auditDetail(request))
  })
  app.setErrorHandler((error, request, reply) => answerError(error, request, reply, options.logger))
  return app
}

/** Node gives a connection time for the rest of a head, and all the time in the world for its first byte. */
function endSilentConnections(server: Server): void {
  const timers = new WeakMap<Socket, NodeJS.Timeout>()
  server.on('connection', (socket) => {
    const timer = setTimeout(() => socket.destroy(), headersWithinMs).unref()
    timers.set(socket, timer)
    socket.once('close', () => clearTimeout(timer))
  })
  server.on('request', ({ socket }) => clearTimeout(timers.get(socket)))
}

async function refusalOf(request: FastifyRequest, access: ConsoleAccess) {
  const { config, url } = request.routeOptions
  const isRead = isReadOnly(request)
  // The page itself and its files hold no data; so it can show the login. What is no route has nothing.
  const isPage = request.is404 || url === '/' || url === '/*'
  if (isPage || config.role === 'public')
    return isRead ? undefined : access.guard.refuseForeign(request.raw)
  return access.guard.admit(request.raw, {
    ...(config.role === undefined ? {} : { role: config.role }),
    ...(isRead ? { isChange: false, role: config.role ?? 'viewer' } : {}),
  })
}

function isReadOnly(request: FastifyRequest): boolean {
  const { isRead = false } = request.routeOptions.config
  if (request.method === 'GET' || request.method === 'HEAD') return true
  return typeof isRead === 'function' ? isRead(request) : isRead
}

function answerError(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  logger: Logger,
): FastifyReply {
  if (error instanceof GrafanaError)
    return reply.code(error.statusCode).send({
      message: error.message,
      ...(error.wireStatus === undefined ? {} : { status: error.wireStatus }),
      ...(error.cause instanceof Error ? { error: error.cause.message } : {}),
      code: error.code,
    })
  if (error instanceof AccessError)
    return reply.code(statusOfAccess[error.code]).send({ message: error.message, code: error.code })
  const { statusCode = 500, message } = error as { statusCode?: number; message: string }
  if (statusCode >= 500) logger.error({ err: error, url: request.url }, 'request failed')
  return reply.code(statusCode).send({ message })
}
