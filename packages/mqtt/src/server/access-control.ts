import { createHash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import type tls from 'node:tls'
import { type Clock, type Logger, SettingsError, type TimerHandle } from '@khlong/core'
import { AccessRules, type RealmRules, readRealm } from '../access/access-rules.ts'
import {
  isStillWelcome,
  type LoginDesk,
  type LoginRequest,
  login,
  type Verdict,
} from '../access/login.ts'
import { LoginThrottle } from '../access/login-throttle.ts'
import { PasswordChecks } from '../access/password-checks.ts'
import { type Identity, internalRealm, type TopicAccess } from '../access/topic-access.ts'
import type { ResolvedListener } from '../listener-options.ts'
import type { ResolvedMqttOptions } from '../options.ts'

/** How often the files are looked at. Looking finds changes everywhere; notifications do not. */
const lookMs = 1_000

/** What was read together from all files of the settings. */
interface Loaded {
  readonly listeners: readonly ResolvedListener[]
  readonly rules: AccessRules
  readonly contexts: ReadonlyMap<string, tls.SecureContextOptions>
  /** By listener: a sum over what says which client certificates are good. */
  readonly trust: ReadonlyMap<string, string>
  /** Size and time of each file, by its name. */
  readonly looks: ReadonlyMap<string, string>
}

/** What changed by a reload. */
export interface Reloaded {
  readonly listeners: readonly ResolvedListener[]
  readonly contexts: ReadonlyMap<string, tls.SecureContextOptions>
  /** Listeners whose client certificates have to be looked at again. */
  readonly distrusted: ReadonlySet<string>
}

/** What access control needs, and whom it calls. */
export interface AccessControlOptions {
  readonly options: ResolvedMqttOptions
  /** Reads the settings again, the configuration file among them. */
  readonly resolve: () => ResolvedMqttOptions
  readonly clock: Clock
  readonly logger: Logger
  /** New rules are in force. */
  readonly onReload: (reloaded: Reloaded) => void
}

/**
 * Who may come in and what for: the files, as they were read last, and the desk that logins go to.
 *
 * Files are read again when they change or when it is asked for. All are read before any counts, so
 * that a file that is broken changes nothing.
 */
export class AccessControl implements LoginDesk {
  readonly #options: ResolvedMqttOptions
  readonly #logger: Logger
  readonly #onReload: (reloaded: Reloaded) => void
  readonly clock: Clock
  readonly throttle: LoginThrottle
  readonly checks: PasswordChecks = new PasswordChecks()
  readonly #resolve: () => ResolvedMqttOptions
  #loaded: Loaded = {
    listeners: [],
    rules: new AccessRules(new Map()),
    contexts: new Map(),
    trust: new Map(),
    looks: new Map(),
  }
  /** What the files looked like one look ago; a change counts when it has come to rest. */
  #lastLooks: ReadonlyMap<string, string> = new Map()
  #reloading: Promise<void> | undefined
  #timer: TimerHandle | undefined
  #isClosed = false
  /** Logins that wait, with what lets them go on. */
  readonly #waits = new Map<TimerHandle, () => void>()
  reloadCount = 0
  failureCount = 0
  /** Why the files of now are not in force. */
  problem: string | undefined

  constructor({ options, resolve, clock, logger, onReload }: AccessControlOptions) {
    this.#options = options
    this.#resolve = resolve
    this.#logger = logger
    this.#onReload = onReload
    this.clock = clock
    this.throttle = new LoginThrottle({ delayMsMax: options.login_delay_max * 1_000 })
  }

  /** Addresses whose logins wait after wrong ones. */
  get slowedCount(): number {
    return this.throttle.slowedCount(this.clock.nowMs())
  }
  get rules(): AccessRules {
    return this.#loaded.rules
  }
  get internal(): LoginDesk['internal'] {
    return this.#options.internal
  }

  /**
   * Reads the files for the first time.
   *
   * @throws SettingsError `SETTINGS_INVALID` with file and line
   */
  async open(): Promise<void> {
    this.#loaded = await this.#load(this.#options)
    this.#lastLooks = this.#loaded.looks
    if (this.#loaded.looks.size > 0) this.#lookLater()
  }

  close(): void {
    this.#isClosed = true
    if (this.#timer) this.clock.clearTimer(this.#timer)
    for (const [timer, goOn] of this.#waits) {
      this.clock.clearTimer(timer)
      goOn()
    }
    this.#waits.clear()
  }

  wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.clock.setTimer(() => {
        this.#waits.delete(timer)
        resolve()
      }, delayMs)
      this.#waits.set(timer, resolve)
    })
  }

  /** What a TLS listener serves. */
  contextOf(listener: ResolvedListener): tls.SecureContextOptions | undefined {
    return this.#loaded.contexts.get(listener.name)
  }

  login(request: LoginRequest): Verdict | Promise<Verdict> {
    return login(request, this)
  }

  isStillWelcome(verdict: Verdict, listener: ResolvedListener): boolean {
    return isStillWelcome(verdict, listener, this.rules)
  }

  accessOf(identity: Identity, clientId: string): TopicAccess | undefined {
    return this.rules.accessOf(identity, clientId)
  }

  /**
   * Reads the files again. Where one is broken, nothing changes.
   *
   * @throws SettingsError `SETTINGS_INVALID` with file and line
   */
  async reload(): Promise<void> {
    // One that is under way may have read before the change that this call is about.
    while (this.#reloading) await this.#reloading.catch(() => {})
    this.#reloading = this.#reload().finally(() => {
      this.#reloading = undefined
    })
    return this.#reloading
  }

  async #reload(): Promise<void> {
    let loaded: Loaded
    try {
      loaded = await this.#load(this.#settingsOfNow())
    } catch (error) {
      this.failureCount++
      this.problem = (error as Error).message
      this.#logger.error({ err: error }, 'files for access control refused; the old rules stay')
      throw error
    }
    if (this.#isClosed) return
    const { trust } = this.#loaded
    const isDistrusted = (name: string): boolean => trust.get(name) !== loaded.trust.get(name)
    const distrusted = new Set([...loaded.trust.keys()].filter(isDistrusted))
    this.#loaded = loaded
    this.#lastLooks = loaded.looks
    this.problem = undefined
    this.reloadCount++
    this.#logger.info({ files: [...loaded.looks.keys()] }, 'access control read again')
    this.#onReload({ listeners: loaded.listeners, contexts: loaded.contexts, distrusted })
  }

  /** Which listeners there are does not change without a restart; what holds for them does. */
  #settingsOfNow(): ResolvedMqttOptions {
    const fresh = this.#resolve()
    const doors = ({ listeners }: ResolvedMqttOptions): string =>
      JSON.stringify(
        listeners.map(({ name, address, protocol, tls }) => [name, address, protocol, !tls]),
      )
    if (doors(fresh) !== doors(this.#options)) {
      const file = fresh.config_file ?? ''
      throw new SettingsError(`${file}: other listeners than before need a restart`, { file })
    }
    return fresh
  }

  async #load({ listeners, files }: ResolvedMqttOptions): Promise<Loaded> {
    const looks = new Map<string, string>()
    for (const file of files) looks.set(file, await lookAt(file).catch(() => 'missing'))
    const read = async (file: string, key: string): Promise<Buffer> => {
      try {
        // The look comes first: a change after it is seen by the next one.
        looks.set(file, await lookAt(file))
        return await readFile(file)
      } catch (error) {
        const { message } = error as Error
        throw new SettingsError(`${file}: ${key}: cannot be read: ${message}`, { file, key })
      }
    }
    const readText = async (file: string, key: string): Promise<string> =>
      (await read(file, key)).toString('utf8')
    const realms = new Map<string, RealmRules>()
    const contexts = new Map<string, tls.SecureContextOptions>()
    const trust = new Map<string, string>()
    for (const { name, access, tls: settings } of listeners) {
      if (access.realm !== internalRealm && !realms.has(access.realm))
        realms.set(access.realm, await readRealm(access, readText))
      if (!settings) continue
      const { capath } = settings
      // A certificate that is added changes the folder.
      if (capath) looks.set(capath, await lookAt(capath).catch(() => 'missing'))
      const { readTlsContext } = await import('./tls-context.ts')
      const context = await readTlsContext(settings, read)
      contexts.set(name, context)
      const { ca, crl } = context
      const sum = createHash('sha256')
      for (const part of [ca, crl].flat())
        if (part !== undefined) sum.update(part as string | Buffer)
      trust.set(name, sum.digest('hex'))
    }
    return { listeners, rules: new AccessRules(realms), contexts, trust, looks }
  }

  #lookLater(): void {
    if (this.#isClosed) return
    this.#timer = this.clock.setTimer(() => {
      void this.#look().finally(() => this.#lookLater())
    }, lookMs)
  }

  /** Reads the files again when a change of them has come to rest. */
  async #look(): Promise<void> {
    const looks = new Map<string, string>()
    for (const file of this.#loaded.looks.keys())
      looks.set(file, await lookAt(file).catch(() => 'missing'))
    const hasRested = isSame(looks, this.#lastLooks)
    this.#lastLooks = looks
    if (!hasRested || isSame(looks, this.#loaded.looks) || this.#isClosed) return
    // What was refused is not tried again until it changes.
    this.#loaded = { ...this.#loaded, looks }
    await this.reload().catch(() => {})
  }
}

async function lookAt(file: string): Promise<string> {
  const { size, mtimeMs, ino } = await stat(file)
  return `${size} ${mtimeMs} ${ino}`
}

function isSame(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return a.size === b.size && [...a].every(([key, value]) => b.get(key) === value)
}
