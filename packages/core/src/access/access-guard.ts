import type { IncomingMessage } from 'node:http'
import type { Clock } from '../clock.ts'
import { systemClock } from '../clock.ts'
import { isEqualSecret } from '../secrets.ts'
import type { AccessStore } from './access-store.ts'
import type { ApiToken, User } from './accounts.ts'
import type { AuditLog } from './audit-log.ts'
import { CredentialCache } from './credential-cache.ts'
import { AccessError } from './errors.ts'
import { LoginLimiter } from './login-limiter.ts'
import { mayChange } from './origin-check.ts'
import { covers, type Role, roleForMethod } from './role.ts'

/** Who makes a request. */
export interface Identity {
  /** `run` is the pipeline itself, `anonymous` everybody where nobody has to log in. */
  readonly kind: 'user' | 'token' | 'run' | 'anonymous'
  readonly name: string
  readonly role: Role
}

/** Why a request is not answered; the part says it in the words of the system it stands for. */
export interface Refusal {
  readonly status: 401 | 403 | 429 | 503
  readonly message: string
  readonly headers: Readonly<Record<string, string>>
}

export interface AccessGuardOptions {
  part: string
  /** Without users nobody can be told from anybody: such a part is open, and listens on loopback. */
  store: AccessStore | undefined
  /** Where changes are written, and logins. */
  audit: AuditLog | undefined
  logins?: AuditLog | undefined
  /** Whether everybody must say who they are, from the first request on. */
  isRequired: boolean
  /** Whether they must as soon as there are users. */
  isRequiredWithUsers?: boolean
  /** The secret by which this run's own clients are known. */
  runToken?: string | undefined
  /** Whether a refusal asks browsers to show their own password window. */
  isChallenging?: boolean
  /** The user of a request's session cookie. */
  sessionUser?(request: IncomingMessage): User | undefined
  clock?: Clock
}

const anonymous: Identity = { kind: 'anonymous', name: '', role: 'administrator' }
const run: Identity = { kind: 'run', name: 'khlong', role: 'administrator' }

/**
 * The door of an HTTP server: finds out who makes each request, refuses what they may not do, and
 * writes down what was changed.
 */
export class AccessGuard {
  readonly limiter: LoginLimiter = new LoginLimiter()
  readonly #options: AccessGuardOptions
  readonly #clock: Clock
  readonly #credentials = new CredentialCache()
  readonly #identities = new WeakMap<IncomingMessage, Identity>()

  constructor(options: AccessGuardOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
  }

  /** Whether nobody has to say who they are. */
  get isOpen(): boolean {
    const { store, isRequired, isRequiredWithUsers = false } = this.#options
    return !isRequired && !(isRequiredWithUsers && store?.hasUsers)
  }

  /** Who makes a request that was admitted. */
  identityOf(request: IncomingMessage): Identity | undefined {
    return this.#identities.get(request)
  }

  /**
   * Lets a request in (undefined) or says why not. `role` is what it needs; by default looking is
   * a viewer's and changing an editor's.
   */
  async admit(
    request: IncomingMessage,
    options: { role?: Role; isChange?: boolean } = {},
  ): Promise<Refusal | undefined> {
    const needed = options.role ?? roleForMethod(request.method ?? 'GET')
    const isChange = options.isChange ?? roleForMethod(request.method ?? 'GET') !== 'viewer'
    const foreign = isChange ? this.refuseForeign(request) : undefined
    if (foreign) return foreign
    const found = await this.#identify(request)
    if ('status' in found) return found
    this.#identities.set(request, found)
    if (!covers(found.role, needed))
      return refusal(403, `this needs the role ${needed}, ${found.name} has ${found.role}`)
    return undefined
  }

  /**
   * Refuses what the page of another origin makes the reader's browser send: a browser adds what it
   * knows of this server to such requests, too.
   */
  refuseForeign(request: IncomingMessage): Refusal | undefined {
    return mayChange(request.headers, { ownNamesOnly: this.isOpen })
      ? undefined
      : refusal(403, 'origin not allowed')
  }

  /** Writes a change that was answered to the audit log. */
  answered(request: IncomingMessage, status: number, detail?: string): void {
    const { audit } = this.#options
    if (!audit || roleForMethod(request.method ?? 'GET') === 'viewer') return
    const identity = this.#identities.get(request)
    // Who is unknown is counted and not written: a stranger must not push real entries out. What
    // the pipeline itself passes on was written where it came in.
    if (!identity || identity.kind === 'run') return
    audit.add({
      who: identity.name,
      kind: identity.kind,
      from: request.socket.remoteAddress ?? '',
      action: request.method ?? '',
      target: (request.url ?? '').split('?')[0] ?? '',
      status,
      ...(detail === undefined ? {} : { detail }),
    })
  }

  /**
   * Checks a name and password that were typed, slowing who guesses.
   *
   * @returns the user, or why not
   */
  async login(
    address: string,
    name: string,
    password: string,
    via: 'session' | 'basic' = 'session',
  ): Promise<User | Refusal> {
    const { store } = this.#options
    if (!store) return unknown(this.#challenge())
    const waitMs = this.limiter.attempt(address, name, this.#clock.nowMs())
    if (waitMs > 0) {
      const seconds = Math.ceil(waitMs / 1_000)
      return refusal(429, `too many wrong logins; try again in ${seconds} s`, {
        'retry-after': String(seconds),
      })
    }
    let user: User | undefined
    try {
      user = await store.verify(name, password)
    } catch (error) {
      this.limiter.succeeded(address, name)
      if (!(error instanceof AccessError)) throw error
      return refusal(503, error.message, { 'retry-after': '1' })
    }
    if (user) {
      this.limiter.succeeded(address, name)
      store.sawNow('user', user.name)
    }
    this.#options.logins?.add({
      who: name,
      kind: 'user',
      from: address,
      action: 'login',
      target: via,
      status: user ? 200 : 401,
    })
    return user ?? unknown(this.#challenge())
  }

  async #identify(request: IncomingMessage): Promise<Identity | Refusal> {
    const { store, runToken, sessionUser } = this.#options
    const [, scheme = '', value = ''] =
      /^(\w+) +(\S+) *$/.exec(request.headers.authorization ?? '') ?? []
    if (scheme.toLowerCase() === 'bearer') {
      if (runToken !== undefined && isEqualSecret(value, runToken)) return run
      if (!this.isOpen) return this.#tokenIdentity(value)
    }
    if (this.isOpen) return anonymous
    if (scheme.toLowerCase() === 'basic') {
      const [, name = '', password = ''] =
        /^([^:]*):([\s\S]*)$/.exec(Buffer.from(value, 'base64').toString()) ?? []
      if (name === 'api_key') return this.#tokenIdentity(password)
      if (!store) return unknown(this.#challenge())
      const user = await this.#credentials.use(store.findUser(name), password, () =>
        this.login(request.socket.remoteAddress ?? '', name, password, 'basic'),
      )
      return 'status' in user ? user : userIdentity(user)
    }
    const user = sessionUser?.(request)
    if (!user) return unknown(this.#challenge())
    store?.sawNow('user', user.name)
    return userIdentity(user)
  }

  #tokenIdentity(text: string): Identity | Refusal {
    const token: ApiToken | undefined = this.#options.store?.verifyToken(text)
    if (!token) return unknown(this.#challenge())
    this.#options.store?.sawNow('token', token.name)
    return { kind: 'token', name: token.name, role: token.role }
  }

  #challenge(): Record<string, string> {
    return this.#options.isChallenging
      ? { 'www-authenticate': 'Basic realm="Khlong", charset="UTF-8"' }
      : {}
  }
}

function userIdentity({ name, role }: User): Identity {
  return { kind: 'user', name, role }
}

function unknown(headers: Record<string, string>): Refusal {
  return refusal(401, 'Unauthorized', headers)
}

function refusal(
  status: Refusal['status'],
  message: string,
  headers: Record<string, string> = {},
): Refusal {
  return { status, message, headers: { 'cache-control': 'no-store', ...headers } }
}
