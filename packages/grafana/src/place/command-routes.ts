import type { AccessGuard } from '@khlong/core/access'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { notConfigured } from '../errors.ts'
import { proxyTo } from '../server/proxy.ts'

/**
 * `/-/commands` of the platform, with the console's people before it: viewers see what became of
 * commands, editors give them, under their own names.
 */
export function commandRoutes(
  app: FastifyInstance,
  options: { platform: string | undefined; token: string | undefined; guard: AccessGuard },
): void {
  const pass = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const { platform, token } = options
    if (platform === undefined) throw notConfigured('platform')
    reply.header('cache-control', 'no-store')
    return proxyTo({ part: 'platform', url: platform, path: '-/commands', request, reply, token })
  }
  app.get('/-/commands', pass)
  app.post('/-/commands', (request, reply) => {
    const { device, action, params, expiresInMs, id } = (request.body ?? {}) as Record<
      string,
      unknown
    >
    const by = options.guard.identityOf(request.raw)?.name || 'console'
    request.body = { device, action, params, expiresInMs, id, by }
    return pass(request, reply)
  })
}
