import { readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import type { Clock, TimerHandle } from '../clock.ts'
import { systemClock } from '../clock.ts'
import type { Logger } from '../logger.ts'
import { silentLogger } from '../logger.ts'
import { digestOf, newToken } from '../secrets.ts'
import {
  type Accounts,
  type ApiToken,
  addToken,
  addUser,
  changeUser,
  checkPassword,
  decodeAccounts,
  encodeAccounts,
  findToken,
  findUser,
  noAccounts,
  noteSeen,
  removeToken,
  removeUser,
  type User,
} from './accounts.ts'
import { AccessError } from './errors.ts'
import { hashPassword, type ScryptCost, verifyPassword } from './password.ts'
import type { Role } from './role.ts'
import { withLock, writeWhole } from './whole-file.ts'

export interface AccessStoreOptions {
  /** The folder of `users.json`; made when something is written. */
  folder: string
  logger?: Logger
  clock?: Clock
  /** How dear a new password is to guess; less only in tests. */
  scrypt?: ScryptCost
}

/** How often the file is looked at, and how old "last seen" may be on disk. */
const lookEveryMs = 1_000
const seenEveryMs = 5 * 60_000

/**
 * The users and tokens of one folder, shared by every part and by the command line: a change is
 * made under a lock on what the file holds now, and seen by the others within a second.
 */
export class AccessStore {
  readonly folder: string
  readonly #file: string
  readonly #lock: string
  readonly #logger: Logger
  readonly #clock: Clock
  readonly #scrypt: ScryptCost | undefined
  readonly #listeners = new Set<() => void>()
  readonly #seen = new Map<string, number>()
  #accounts: Accounts = noAccounts
  #stamp = ''
  #timer: TimerHandle | undefined
  #isOpen = false
  #looking: Promise<void> | undefined

  constructor(options: AccessStoreOptions) {
    this.folder = path.resolve(options.folder)
    this.#file = path.join(this.folder, 'users.json')
    this.#lock = path.join(this.folder, 'users.lock')
    this.#logger = options.logger ?? silentLogger
    this.#clock = options.clock ?? systemClock
    this.#scrypt = options.scrypt
  }

  /** Reads the file and follows its changes. @throws AccessError `ACCESS_FILE_DAMAGED`, `ACCESS_FILE_NEWER` */
  async open(): Promise<void> {
    await this.#read()
    this.#isOpen = true
    this.#schedule()
  }

  /** Stops following, and writes down who was seen last. */
  async close(): Promise<void> {
    if (!this.#isOpen) return
    this.#isOpen = false
    if (this.#timer) this.#clock.clearTimer(this.#timer)
    await this.#looking
    await this.#writeSeen().catch((error: unknown) => {
      this.#logger.warn({ err: error }, 'when users were seen last could not be written')
    })
  }

  /** All users and tokens, with who was seen last as it is known here. */
  get accounts(): Accounts {
    return noteSeen(this.#accounts, this.#seen)
  }

  get hasUsers(): boolean {
    return this.#accounts.users.length > 0
  }

  /** Calls `listener` after each change of users or tokens, whoever made it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  findUser(name: string): User | undefined {
    return findUser(this.#accounts, name)
  }

  /** The user whose password this is. @throws AccessError `ACCESS_BUSY` */
  async verify(name: string, password: string): Promise<User | undefined> {
    const user = this.findUser(name)
    if (!(await verifyPassword(password, user?.password, this.#scrypt)) || !user) return undefined
    // Who was removed, or given another password, while this was computed is not let in.
    const now = this.findUser(name)
    return now?.passwordChangedMs === user.passwordChangedMs ? now : undefined
  }

  /** The token that this text is, unless it has expired or was revoked. */
  verifyToken(token: string): ApiToken | undefined {
    return findToken(this.#accounts, digestOf(token), this.#clock.nowMs())
  }

  /** Remembers that a user or a token came; written down now and then. */
  sawNow(kind: 'user' | 'token', name: string): void {
    this.#seen.set(`${kind}:${name}`, this.#clock.nowMs())
  }

  /** @throws AccessError `ACCESS_EXISTS`, `ACCESS_INVALID`, `ACCESS_LAST_ADMINISTRATOR`, `ACCESS_BUSY` */
  async addUser(user: { name: string; role: Role; password: string }): Promise<User> {
    checkPassword(user.password)
    const password = await hashPassword(user.password, this.#scrypt)
    await this.#change((accounts) => addUser(accounts, { ...user, password }, this.#clock.nowMs()))
    return this.findUser(user.name)!
  }

  /**
   * Adds the first administrator; refused where any user exists, also when two try at once.
   *
   * @throws AccessError `ACCESS_EXISTS`, `ACCESS_INVALID`, `ACCESS_BUSY`
   */
  async addFirstAdministrator(user: { name: string; password: string }): Promise<User> {
    checkPassword(user.password)
    const password = await hashPassword(user.password, this.#scrypt)
    await this.#change((accounts) => {
      if (accounts.users.length > 0)
        throw new AccessError('ACCESS_EXISTS', 'there is an administrator already')
      return addUser(
        accounts,
        { name: user.name, role: 'administrator', password },
        this.#clock.nowMs(),
      )
    })
    return this.findUser(user.name)!
  }

  /** @throws AccessError `ACCESS_UNKNOWN`, `ACCESS_LAST_ADMINISTRATOR`, `ACCESS_BUSY` */
  async setRole(name: string, role: Role): Promise<void> {
    await this.#change((accounts) => changeUser(accounts, name, { role }, this.#clock.nowMs()))
  }

  /** Gives a new password and ends the user's sessions. @throws AccessError `ACCESS_UNKNOWN`, `ACCESS_INVALID`, `ACCESS_BUSY` */
  async setPassword(name: string, written: string): Promise<void> {
    checkPassword(written)
    const password = await hashPassword(written, this.#scrypt)
    await this.#change((accounts) => changeUser(accounts, name, { password }, this.#clock.nowMs()))
  }

  /** @throws AccessError `ACCESS_UNKNOWN`, `ACCESS_LAST_ADMINISTRATOR`, `ACCESS_BUSY` */
  async removeUser(name: string): Promise<void> {
    await this.#change((accounts) => removeUser(accounts, name))
  }

  /** Makes a token and gives its text, which is not kept. @throws AccessError `ACCESS_EXISTS`, `ACCESS_INVALID`, `ACCESS_BUSY` */
  async createToken(token: {
    name: string
    role: Role
    createdBy: string
    expiresMs: number | null
  }): Promise<string> {
    const text = newToken()
    await this.#change((accounts) =>
      addToken(accounts, { ...token, digest: digestOf(text) }, this.#clock.nowMs()),
    )
    return text
  }

  /** @throws AccessError `ACCESS_UNKNOWN`, `ACCESS_BUSY` */
  async revokeToken(name: string): Promise<void> {
    await this.#change((accounts) => removeToken(accounts, name))
  }

  async #change(apply: (accounts: Accounts) => Accounts): Promise<void> {
    await withLock(this.#lock, async () => {
      await this.#read()
      const next = noteSeen(apply(this.#accounts), this.#seen)
      await writeWhole(this.#file, encodeAccounts(next))
      this.#accounts = next
      this.#stamp = await this.#stampNow()
    })
    this.#tell()
  }

  /** Reads the file where it is not the one that was read last. */
  async #read(): Promise<void> {
    const stamp = await this.#stampNow()
    if (stamp === this.#stamp) return
    // A file that vanished is not an invitation: what was known stays until it is back.
    if (stamp === '')
      throw new AccessError('ACCESS_FILE_DAMAGED', `${this.#file} is gone; put it back`, {
        fields: { file: this.#file },
      })
    this.#accounts = decodeAccounts(await readFile(this.#file, 'utf8'), this.#file)
    this.#stamp = stamp
    this.#tell()
  }

  async #stampNow(): Promise<string> {
    try {
      const { mtimeMs, size, ino } = await stat(this.#file)
      return `${mtimeMs} ${size} ${ino}`
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
      throw error
    }
  }

  #tell(): void {
    for (const listener of this.#listeners) listener()
  }

  #schedule(): void {
    if (!this.#isOpen) return
    this.#timer = this.#clock.setTimer(() => {
      this.#looking = this.#look().finally(() => this.#schedule())
    }, lookEveryMs)
  }

  async #look(): Promise<void> {
    try {
      await this.#read()
      const nowMs = this.#clock.nowMs()
      const isDue = [...this.#seen].some(
        ([key, seenMs]) =>
          nowMs - seenMs < seenEveryMs && nowMs - this.#seenOnDisk(key) > seenEveryMs,
      )
      if (isDue) await this.#writeSeen()
    } catch (error) {
      this.#logger.error(
        { err: error, folder: this.folder },
        'users could not be read again; what was known stays',
      )
    }
  }

  #seenOnDisk(key: string): number {
    const [kind = '', ...rest] = key.split(':')
    const { users, tokens } = this.#accounts
    const found = (kind === 'user' ? users : tokens).find(({ name }) => name === rest.join(':'))
    return found ? (found.lastSeenMs ?? 0) : Number.POSITIVE_INFINITY
  }

  async #writeSeen(): Promise<void> {
    const isNews = [...this.#seen].some(([key, seenMs]) => seenMs > this.#seenOnDisk(key))
    if (isNews) await this.#change((accounts) => accounts)
    this.#seen.clear()
  }
}
