import type { IncomingMessage } from 'node:http'
import { z } from 'zod'
import { formatListen, isLoopback, type ListenAddress } from '../listen.ts'
import type { PartContext } from '../part.ts'
import { AccessGuard, type AccessGuardOptions } from './access-guard.ts'
import { AccessStore } from './access-store.ts'
import { AuditLog } from './audit-log.ts'
import { AccessError } from './errors.ts'
import type { ScryptCost } from './password.ts'

/** The settings that every part with an HTTP server has; a part puts them into its own schema. */
export const accessSettings: {
  access: z.ZodOptional<z.ZodString>
  'access.required': z.ZodType<boolean, boolean | string | undefined>
  'access.token': z.ZodOptional<z.ZodString>
  allow_anonymous: z.ZodType<boolean, boolean | string | undefined>
} = {
  /** Folder of users and tokens. Without one the part is open, and listens on loopback only. */
  access: z.string().min(1).optional(),
  /** Whether everybody must log in on loopback, too. */
  'access.required': z.union([z.boolean(), z.stringbool()]).default(false),
  /** The secret of this run's own clients; made by the platform, never written to a file. */
  'access.token': z.string().min(32).optional(),
  /** Listens beyond loopback, open to all, only where this is set. */
  allow_anonymous: z.union([z.boolean(), z.stringbool()]).default(false),
}

/** What {@link accessSettings} gives. */
export interface AccessSettings {
  readonly access?: string | undefined
  readonly 'access.required': boolean
  readonly 'access.token'?: string | undefined
  readonly allow_anonymous: boolean
}

/** The users, the audit log and the guard of one part's HTTP server. */
export interface PartAccess {
  readonly guard: AccessGuard
  readonly store: AccessStore | undefined
  readonly audit: AuditLog | undefined
  /** Resolves when all changes and logins that happened are in their files. */
  flush(): Promise<void>
  close(): Promise<void>
}

/**
 * Opens what a part needs to know who makes its requests.
 *
 * @throws AccessError `ACCESS_REQUIRED` where other machines reach the listener and there is no
 *   folder of users
 */
export async function openAccess(
  part: string,
  listen: ListenAddress,
  settings: AccessSettings,
  context: PartContext,
  options: Pick<AccessGuardOptions, 'isRequiredWithUsers' | 'isChallenging' | 'sessionUser'> & {
    scrypt?: ScryptCost
  } = {},
): Promise<PartAccess> {
  const { access: folder, 'access.required': required, 'access.token': runToken } = settings
  const isReachable = !isLoopback(listen.host) && !settings.allow_anonymous
  if (folder === undefined && (isReachable || required))
    throw new AccessError(
      'ACCESS_REQUIRED',
      isReachable
        ? `${part} would listen on ${formatListen(listen)}, which other machines reach, and nobody would have to log in: set access to a folder of users (khlong user add), or allow_anonymous: true, or listen on 127.0.0.1`
        : `${part}: access.required needs access, the folder of users (khlong user add)`,
      { fields: { part } },
    )
  const { scrypt, ...guardOptions } = options
  const shared = {
    ...(context.logger ? { logger: context.logger } : {}),
    ...(context.clock ? { clock: context.clock } : {}),
  }
  const store =
    folder === undefined
      ? undefined
      : new AccessStore({ folder, ...shared, ...(scrypt ? { scrypt } : {}) })
  const audit = folder === undefined ? undefined : new AuditLog({ folder, part, ...shared })
  // Apart, so that a stranger who guesses passwords cannot push out what was changed.
  const logins =
    folder === undefined ? undefined : new AuditLog({ folder, part, topic: 'logins', ...shared })
  await store?.open()
  const guard = new AccessGuard({
    part,
    store,
    audit,
    logins,
    isRequired: isReachable || required,
    runToken,
    ...guardOptions,
    ...(context.clock ? { clock: context.clock } : {}),
  })
  const flush = async (): Promise<void> => {
    await Promise.all([audit?.flush(), logins?.flush()])
  }
  return {
    guard,
    store,
    audit,
    flush,
    close: async () => {
      await flush()
      await store?.close()
    },
  }
}

/**
 * For fastify servers whose routes have no schemas, in place of what it would load to compile them:
 * 150 modules and some 20 ms of a start on each thread.
 */
export const withoutSchemas: {
  readonly compilersFactory: { buildValidator(): never; buildSerializer(): never }
} = { compilersFactory: { buildValidator: noSchemas, buildSerializer: noSchemas } }

function noSchemas(): never {
  throw new Error('this server is made for routes without schemas')
}

/** What this needs to know of fastify, so that `core` does not depend on it. */
export interface GuardedServer {
  addHook(
    name: 'onRequest',
    hook: (request: GuardedRequest, reply: GuardedReply) => Promise<unknown>,
  ): unknown
  addHook(
    name: 'onResponse',
    hook: (request: GuardedRequest, reply: GuardedReply) => Promise<unknown>,
  ): unknown
}
export interface GuardedRequest {
  readonly raw: IncomingMessage
  readonly routeOptions: { readonly url?: string | undefined }
}
export interface GuardedReply {
  readonly statusCode: number
  code(status: number): GuardedReply
  headers(headers: Record<string, string>): GuardedReply
  send(body: unknown): unknown
}

/**
 * Puts the guard before every route of a fastify server.
 *
 * `reads` are the routes that answer a POST and change nothing; `render` says a refusal in the
 * words of the system that the part stands for.
 */
export function guardServer(
  server: GuardedServer,
  guard: AccessGuard,
  options: { reads?: readonly string[]; render(status: number, message: string): unknown },
): void {
  server.addHook('onRequest', async (request, reply) => {
    const isRead = options.reads?.includes(request.routeOptions.url ?? '') ?? false
    const refusal = await guard.admit(
      request.raw,
      isRead ? { role: 'viewer', isChange: false } : {},
    )
    if (refusal)
      return reply
        .code(refusal.status)
        .headers(refusal.headers)
        .send(options.render(refusal.status, refusal.message))
    return undefined
  })
  server.addHook('onResponse', async (request, reply) => {
    if (!(options.reads?.includes(request.routeOptions.url ?? '') ?? false))
      guard.answered(request.raw, reply.statusCode)
  })
}
