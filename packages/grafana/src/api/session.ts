import { covers, type Refusal, type Role } from '@khlong/core/access'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ConsoleAccess } from '../access/console-access.ts'
import { GrafanaError } from '../errors.ts'

const isPublic = { config: { role: 'public' } } as const
const textMax = 1_000

/** `/-/session`, `/login`, `/logout`, `/-/access/setup`, and what Grafana tells of the one who asks. */
export function sessionRoutes(app: FastifyInstance, access: ConsoleAccess): void {
  app.get('/-/session', isPublic, async (request, reply) => {
    reply.header('cache-control', 'no-store')
    return access.stateFor(request.raw)
  })

  app.post('/login', isPublic, async (request, reply) => {
    const cookie = await access.logIn(request.raw, {
      name: textOf(request, 'user'),
      password: textOf(request, 'password'),
    })
    if (typeof cookie !== 'string' && cookie.status === 401)
      return refuse(reply, { ...cookie, message: 'Invalid username or password' })
    return answer(reply, cookie, { message: 'Logged in', redirectUrl: '/' })
  })

  app.post('/logout', isPublic, async (request, reply) =>
    answer(reply, access.logOut(request.raw), { message: 'Logged out' }),
  )

  app.post('/-/access/setup', isPublic, async (request, reply) => {
    const cookie = await access.setUp(request.raw, {
      name: textOf(request, 'name'),
      password: textOf(request, 'password'),
      code: textOf(request, 'code'),
    })
    return answer(reply, cookie, { message: 'User created' })
  })

  app.put('/api/user/password', { config: { role: 'viewer' } }, async (request, reply) => {
    const identity = access.guard.identityOf(request.raw)
    if (identity?.kind !== 'user')
      throw new GrafanaError('GRAFANA_BAD_REQUEST', 'only a user has a password')
    const cookie = await access.changeOwnPassword(request.raw, identity.name, {
      old: textOf(request, 'oldPassword'),
      next: textOf(request, 'newPassword'),
    })
    if (typeof cookie !== 'string' && cookie.status === 401)
      return refuse(reply, { ...cookie, status: 403, message: 'invalid old password' })
    return answer(reply, cookie, { message: 'User password changed' })
  })

  app.get('/api/user', async (request) => {
    const { name, role, kind } = access.guard.identityOf(request.raw)!
    return {
      id: kind === 'user' ? idOf(access, name) : 0,
      uid: name,
      email: '',
      name,
      login: name,
      theme: '',
      orgId: 1,
      isGrafanaAdmin: role === 'administrator',
      isDisabled: false,
      isExternal: false,
      authLabels: [],
    }
  })
  app.get('/api/org', async () => ({ id: 1, name: 'Main Org.' }))
  app.get('/api/org/users', { config: { role: 'administrator' } }, async () =>
    access.store.accounts.users.map(({ name, role, lastSeenMs }, index) => ({
      orgId: 1,
      userId: index + 1,
      uid: name,
      email: '',
      name,
      login: name,
      role: grafanaRole(role),
      lastSeenAt: new Date(lastSeenMs ?? 0).toISOString(),
      isDisabled: false,
    })),
  )
}

/** A text of the body; anything else counts as none. */
function textOf(request: FastifyRequest, name: string): string {
  const body = (request.body ?? {}) as Record<string, unknown>
  const value = body[name]
  return typeof value === 'string' ? value.slice(0, textMax) : ''
}

function answer(reply: FastifyReply, cookie: string | Refusal, body: object): FastifyReply {
  if (typeof cookie !== 'string') return refuse(reply, cookie)
  return reply.header('set-cookie', cookie).header('cache-control', 'no-store').send(body)
}

function refuse(reply: FastifyReply, { status, message, headers }: Refusal): FastifyReply {
  return reply.code(status).headers(headers).send({ message })
}

function idOf(access: ConsoleAccess, name: string): number {
  return access.store.accounts.users.findIndex((user) => user.name === name) + 1
}

function grafanaRole(role: Role): string {
  if (covers(role, 'administrator')) return 'Admin'
  return covers(role, 'editor') ? 'Editor' : 'Viewer'
}
