import type { IncomingMessage } from 'node:http'
import { networkInterfaces } from 'node:os'
import path from 'node:path'
import {
  formatListen,
  isEqualSecret,
  type ListenAddress,
  newPassword,
  type PartContext,
  parseListen,
  systemClock,
  systemRandom,
} from '@khlong/core'
import {
  type AccessGuard,
  type AccessStore,
  type AuditLog,
  isFromHere,
  openAccess,
  type PartAccess,
  type Refusal,
  type User,
} from '@khlong/core/access'
import type { SessionState } from '../model/people.ts'
import type { ResolvedGrafanaOptions } from '../options.ts'
import { readJsonFile, writeJsonFile } from '../state/json-file.ts'
import { OpenRequests } from './open-requests.ts'
import { SessionBook } from './session-book.ts'
import { readSessionId, sessionCookie } from './session-cookie.ts'

const saveEveryMs = 60_000
const setupName = '(setup)'

/** Everything the console knows of who uses it: users, sessions, the first administrator's set-up. */
export class ConsoleAccess {
  readonly guard: AccessGuard
  readonly store: AccessStore
  readonly audit: AuditLog
  readonly requests: OpenRequests
  readonly #access: PartAccess
  readonly #sessions: SessionBook
  readonly #sessionsFile: string
  readonly #options: ResolvedGrafanaOptions
  readonly #context: PartContext
  readonly #timer: NodeJS.Timeout
  #saving: Promise<void> = Promise.resolve()
  #setupCode: string | undefined

  /** @throws AccessError `ACCESS_FILE_DAMAGED`, `ACCESS_FILE_NEWER` */
  static async open(
    options: ResolvedGrafanaOptions,
    dataFolder: string,
    listen: ListenAddress,
    context: PartContext,
  ): Promise<ConsoleAccess> {
    const sessions = new SessionBook(
      {
        idleMs: options['auth.login_maximum_inactive_lifetime_duration'],
        lifetimeMs: options['auth.login_maximum_lifetime_duration'],
      },
      systemRandom,
    )
    const clock = context.clock ?? systemClock
    const sessionsFile = path.join(dataFolder, 'sessions.json')
    sessions.restore(await readJsonFile(sessionsFile).catch(() => undefined), clock.nowMs())
    const settings = { ...options, access: options.access ?? path.join(dataFolder, 'access') }
    const access: PartAccess = await openAccess('grafana', listen, settings, context, {
      isRequiredWithUsers: true,
      sessionUser: (request) => {
        const id = readSessionId(request)
        const session = id === undefined ? undefined : sessions.use(id, clock.nowMs())
        const user = session && access.store?.findUser(session.user)
        return user && user.passwordChangedMs <= session.startedMs ? user : undefined
      },
    })
    return new ConsoleAccess(access, sessions, sessionsFile, options, context)
  }

  private constructor(
    access: PartAccess,
    sessions: SessionBook,
    sessionsFile: string,
    options: ResolvedGrafanaOptions,
    context: PartContext,
  ) {
    this.#access = access
    this.guard = access.guard
    this.store = access.store!
    this.audit = access.audit!
    this.#sessions = sessions
    this.#sessionsFile = sessionsFile
    this.#options = options
    this.#context = context
    this.requests = new OpenRequests(
      async (request) => (await this.guard.admit(request)) === undefined,
    )
    this.store.onChange(() => {
      this.#sessions.keepOnly((name) => this.store.findUser(name))
      void this.requests.sweep(0)
    })
    this.#sessions.keepOnly((name) => this.store.findUser(name))
    this.#timer = setInterval(() => this.#save(), saveEveryMs).unref()
    if (!this.guard.isOpen && !this.store.hasUsers) this.#setupCode = newPassword(24)
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.requests.close()
    this.#save()
    await this.#saving
    await this.#access.close()
  }

  /** Resolves when all changes and logins that happened can be read. */
  flushAudit(): Promise<void> {
    return this.#access.flush()
  }

  get sessionCount(): number {
    return this.#sessions.size
  }

  /** Where the first administrator is made; undefined where there is one or none is needed. */
  setupUrl(address: string): string | undefined {
    // After the hash: a browser sends that to nobody, so it stands in no log.
    return this.#setupCode !== undefined && !this.store.hasUsers
      ? `http://${shownAddress(address)}/#setup=${this.#setupCode}`
      : undefined
  }

  /** What the page shall show to whoever asks: itself, a login, or the set-up. */
  async stateFor(request: IncomingMessage): Promise<SessionState> {
    if (this.guard.isOpen) return { kind: 'open', canSetUp: this.#maySetUp(request) }
    if (!this.store.hasUsers) return { kind: 'setup', needsCode: !isFromHere(request) }
    const refusal = await this.guard.admit(request, { role: 'viewer', isChange: false })
    if (refusal) return { kind: 'login' }
    const { name, role, kind } = this.guard.identityOf(request)!
    return { kind: 'in', name, role, isUser: kind === 'user' }
  }

  /** Makes the first administrator and logs them in; gives the cookie. */
  async setUp(
    request: IncomingMessage,
    given: { name: string; password: string; code: string },
  ): Promise<string | Refusal> {
    const address = request.socket.remoteAddress ?? ''
    if (!this.#maySetUp(request)) {
      const waitMs = this.guard.limiter.attempt(address, setupName, Date.now())
      const isRight =
        waitMs <= 0 && this.#setupCode !== undefined && isEqualSecret(given.code, this.#setupCode)
      if (!isRight) {
        const seconds = Math.ceil(waitMs / 1_000)
        return waitMs > 0
          ? {
              status: 429,
              message: `too many wrong codes; try again in ${seconds} s`,
              headers: { 'retry-after': String(seconds) },
            }
          : {
              status: 403,
              message: 'this is not the code that the terminal shows',
              headers: {},
            }
      }
      this.guard.limiter.succeeded(address, setupName)
    }
    const user = await this.store.addFirstAdministrator(given)
    this.#setupCode = undefined
    this.audit.add({
      who: user.name,
      kind: 'user',
      from: address,
      action: 'user.add',
      target: user.name,
      status: 200,
      detail: 'administrator, first',
    })
    return this.#startSession(request, user)
  }

  /** Checks name and password and begins a session; gives the cookie. */
  async logIn(
    request: IncomingMessage,
    given: { name: string; password: string },
  ): Promise<string | Refusal> {
    const address = request.socket.remoteAddress ?? ''
    const user = await this.guard.login(address, given.name, given.password)
    return 'status' in user ? user : this.#startSession(request, user)
  }

  /** Ends the session here, not only in the browser; gives the cookie that takes it away. */
  logOut(request: IncomingMessage): string {
    const id = readSessionId(request)
    if (id !== undefined) this.#sessions.end(id)
    this.#save()
    void this.requests.sweep(0)
    return this.#cookie(request, undefined)
  }

  /** Changes the password of whoever is logged in; other sessions end, this one goes on anew. */
  async changeOwnPassword(
    request: IncomingMessage,
    name: string,
    given: { old: string; next: string },
  ): Promise<string | Refusal> {
    const user = await this.guard.login(request.socket.remoteAddress ?? '', name, given.old)
    if ('status' in user) return user
    await this.store.setPassword(name, given.next)
    return this.#startSession(request, this.store.findUser(name) ?? user)
  }

  #startSession(request: IncomingMessage, user: User): string {
    const before = readSessionId(request)
    if (before !== undefined) this.#sessions.end(before)
    const id = this.#sessions.start(user.name, (this.#context.clock ?? systemClock).nowMs())
    this.#save()
    return this.#cookie(request, id)
  }

  #cookie(request: IncomingMessage, id: string | undefined): string {
    return sessionCookie(request, id, {
      lifetimeMs: this.#options['auth.login_maximum_lifetime_duration'],
      isSecure: this.#options['security.cookie_secure'],
    })
  }

  #maySetUp(request: IncomingMessage): boolean {
    return !this.store.hasUsers && isFromHere(request)
  }

  #save(): void {
    this.#saving = this.#saving
      .then(() => writeJsonFile(this.#sessionsFile, this.#sessions.toJson(Date.now())))
      .catch((error: unknown) => {
        this.#context.logger?.warn({ err: error }, 'sessions could not be saved')
      })
  }
}

/** An address that a browser elsewhere can open: a wildcard becomes one of this machine's own. */
function shownAddress(address: string): string {
  const { host, port } = parseListen(address)
  if (host !== '0.0.0.0' && host !== '::') return address
  const own = Object.values(networkInterfaces())
    .flat()
    .find((each) => each !== undefined && !each.internal && each.family === 'IPv4')
  return formatListen({ host: own?.address ?? '127.0.0.1', port })
}
