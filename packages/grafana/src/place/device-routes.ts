import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { notConfigured } from '../errors.ts'
import { proxyTo } from '../server/proxy.ts'

// As the platform allows names; what is none of that form cannot lead to another of its routes.
const name = ':name(^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$)'

/**
 * `/-/devices` of the platform, with the console's people before it: viewers see how the devices are
 * doing, editors add, rotate, revoke and remove them.
 */
export function deviceRoutes(
  app: FastifyInstance,
  { platform, token }: { platform: string | undefined; token: string | undefined },
): void {
  const pass = async (
    path: string,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<FastifyReply> => {
    if (platform === undefined) throw notConfigured('platform')
    // Some answers hold a secret.
    reply.header('cache-control', 'no-store')
    return proxyTo({ part: 'platform', url: platform, path, request, reply, token })
  }
  app.get('/-/devices', (request, reply) => pass('-/devices', request, reply))
  app.post('/-/devices', (request, reply) => pass('-/devices', request, reply))
  for (const action of ['rotate', 'revoke'])
    app.post<{ Params: { name: string } }>(`/-/devices/${name}/${action}`, (request, reply) =>
      pass(`-/devices/${request.params.name}/${action}`, request, reply),
    )
  app.delete<{ Params: { name: string } }>(`/-/devices/${name}`, (request, reply) =>
    pass(`-/devices/${request.params.name}`, request, reply),
  )
}
