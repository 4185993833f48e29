import { isRole, type Role, readAudit } from '@khlong/core/access'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { ConsoleAccess } from '../access/console-access.ts'
import { GrafanaError } from '../errors.ts'
import type { AuditLine, People } from '../model/people.ts'

const forAdministrators = { config: { role: 'administrator' } } as const
const dayMs = 86_400_000
const auditLinesMax = 500

/** `/-/access/people|users|tokens|audit`: for administrators, and only where people log in. */
export function peopleRoutes(app: FastifyInstance, access: ConsoleAccess): void {
  const { store } = access
  const requireUsers = (): void => {
    if (!store.hasUsers)
      throw new GrafanaError('GRAFANA_CONFLICT', 'there is no administrator yet: set one up first')
  }

  app.get('/-/access/people', forAdministrators, async (): Promise<People> => {
    const { users, tokens } = store.accounts
    return {
      users: users.map(({ name, role, createdMs, lastSeenMs }) => ({
        name,
        role,
        createdMs,
        lastSeenMs: lastSeenMs ?? null,
      })),
      tokens: tokens.map(({ name, role, createdMs, lastSeenMs, createdBy, expiresMs }) => ({
        name,
        role,
        createdMs,
        lastSeenMs: lastSeenMs ?? null,
        createdBy,
        expiresMs,
      })),
    }
  })

  app.post('/-/access/users', forAdministrators, async (request, reply) => {
    requireUsers()
    const { name, password, role } = bodyOf(request)
    const user = await store.addUser({
      name: textOf(name),
      password: textOf(password),
      role: roleOf(role),
    })
    return reply.code(201).send({ name: user.name, role: user.role })
  })

  app.put<{ Params: { name: string } }>(
    '/-/access/users/:name',
    forAdministrators,
    async (request) => {
      const { role, password } = bodyOf(request)
      const { name } = request.params
      if (role !== undefined) await store.setRole(name, roleOf(role))
      if (password !== undefined) await store.setPassword(name, textOf(password))
      return { message: 'User updated' }
    },
  )

  app.delete<{ Params: { name: string } }>(
    '/-/access/users/:name',
    forAdministrators,
    async (request) => {
      await store.removeUser(request.params.name)
      return { message: 'User deleted' }
    },
  )

  app.post('/-/access/tokens', forAdministrators, async (request, reply) => {
    requireUsers()
    const { name, role, days } = bodyOf(request)
    if (days !== null && !(typeof days === 'number' && days > 0 && days <= 3_650))
      throw new GrafanaError('GRAFANA_BAD_REQUEST', 'expected days from 1 to 3650, or null')
    const token = await store.createToken({
      name: textOf(name),
      role: roleOf(role),
      createdBy: access.guard.identityOf(request.raw)?.name ?? '',
      expiresMs: days === null ? null : Date.now() + days * dayMs,
    })
    return reply.code(201).header('cache-control', 'no-store').send({ token })
  })

  app.delete<{ Params: { name: string } }>(
    '/-/access/tokens/:name',
    forAdministrators,
    async (request) => {
      await store.revokeToken(request.params.name)
      return { message: 'API key deleted' }
    },
  )

  app.get<{ Querystring: { before?: string } }>(
    '/-/access/audit',
    forAdministrators,
    async (request): Promise<{ lines: readonly AuditLine[] }> => {
      await access.flushAudit()
      const beforeMs = Number(request.query.before)
      return {
        lines: await readAudit(store.folder, {
          limit: auditLinesMax,
          ...(beforeMs > 0 ? { beforeMs } : {}),
        }),
      }
    },
  )
}

/** What the audit log says beyond method and path: which role was given, which account or device is meant. */
export function auditDetail(request: FastifyRequest): string | undefined {
  if (!/^\/-\/(?:access\/|devices$|commands$)/.test(request.routeOptions.url ?? ''))
    return undefined
  const { name, role, days, password, device, action } = bodyOf(request)
  const short = (value: unknown): string => (typeof value === 'string' ? value.slice(0, 80) : '')
  const parts = [
    short(device),
    short(action),
    typeof name === 'string' ? name : '',
    isRole(role) ? role : '',
    typeof days === 'number' ? `${days} d` : '',
    typeof password === 'string' ? 'password' : '',
  ].filter((part) => part !== '')
  return parts.length > 0 ? parts.join(', ') : undefined
}

function bodyOf(request: FastifyRequest): Record<string, unknown> {
  return (request.body ?? {}) as Record<string, unknown>
}

function textOf(value: unknown): string {
  if (typeof value !== 'string')
    throw new GrafanaError('GRAFANA_BAD_REQUEST', 'expected name, role and password as texts')
  return value
}

function roleOf(value: unknown): Role {
  if (!isRole(value))
    throw new GrafanaError(
      'GRAFANA_BAD_REQUEST',
      'expected a role: administrator, editor or viewer',
    )
  return value
}
