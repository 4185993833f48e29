import { z } from 'zod'
import { AccessError } from './errors.ts'
import { type PasswordHash, passwordHashSchema } from './password.ts'
import { isRole, type Role, roles } from './role.ts'

/*
 * Who may do what, as a value: every change gives a new value and none knows of files, clocks or
 * sockets. Invariants: names are unique (of users among users, of tokens among tokens) and in the
 * form of `accountName`; once there was an administrator there is always one.
 */

/** The first line of `users.json`. */
export const accountsFormat = 'khlong-access'
export const accountsVersion = 1

export interface User {
  readonly name: string
  readonly role: Role
  readonly password: PasswordHash
  readonly createdMs: number
  /** Sessions that began before are over. */
  readonly passwordChangedMs: number
  readonly lastSeenMs?: number | undefined
}

/** A token for programs; the token itself is shown once and never stored. */
export interface ApiToken {
  readonly name: string
  readonly role: Role
  /** SHA-256 in hexadecimal. */
  readonly digest: string
  readonly createdMs: number
  readonly createdBy: string
  /** When it ends; null for never. */
  readonly expiresMs: number | null
  readonly lastSeenMs?: number | undefined
}

/** All users and tokens at one moment. */
export interface Accounts {
  readonly users: readonly User[]
  readonly tokens: readonly ApiToken[]
}

export const noAccounts: Accounts = { users: [], tokens: [] }

const usersMax = 1_000
const tokensMax = 1_000
export const passwordCharactersMin = 8
const passwordCharactersMax = 256
// Grafana's clients send tokens as the password of this name.
const reservedNames = ['api_key']

/**
 * The name of a user or a token in its one form: composed, in lower case.
 *
 * @throws AccessError `ACCESS_INVALID`
 */
export function accountName(written: string): string {
  const name = written.normalize('NFC').toLowerCase()
  if (!/^[\p{L}\p{N}][\p{L}\p{M}\p{N}._@-]{0,63}$/u.test(name))
    throw new AccessError(
      'ACCESS_INVALID',
      'a name has 1 to 64 letters, digits and . _ @ -, and begins with a letter or a digit',
    )
  if (reservedNames.includes(name))
    throw new AccessError('ACCESS_INVALID', `the name ${name} is reserved for tokens`)
  return name
}

/** @throws AccessError `ACCESS_INVALID` where a password is too short or too long */
export function checkPassword(password: string): void {
  const length = [...password].length
  if (length < passwordCharactersMin || length > passwordCharactersMax)
    throw new AccessError(
      'ACCESS_INVALID',
      `a password has ${passwordCharactersMin} to ${passwordCharactersMax} characters`,
    )
}

/** @throws AccessError `ACCESS_INVALID` */
export function checkRole(role: unknown): Role {
  if (!isRole(role))
    throw new AccessError('ACCESS_INVALID', `expected a role: ${roles.toReversed().join(', ')}`)
  return role
}

export function findUser(accounts: Accounts, written: string): User | undefined {
  const name = written.normalize('NFC').toLowerCase()
  return accounts.users.find((user) => user.name === name)
}

/** The token with this digest, unless it has expired. */
export function findToken(accounts: Accounts, digest: string, nowMs: number): ApiToken | undefined {
  const token = accounts.tokens.find((candidate) => candidate.digest === digest)
  return token && (token.expiresMs === null || token.expiresMs > nowMs) ? token : undefined
}

/** @throws AccessError `ACCESS_EXISTS`, `ACCESS_INVALID` */
export function addUser(
  accounts: Accounts,
  user: { name: string; role: Role; password: PasswordHash },
  nowMs: number,
): Accounts {
  const name = accountName(user.name)
  if (findUser(accounts, name))
    throw new AccessError('ACCESS_EXISTS', `there is a user ${name} already`)
  if (accounts.users.length >= usersMax)
    throw new AccessError('ACCESS_INVALID', `there cannot be more than ${usersMax} users`)
  if (accounts.users.length === 0 && user.role !== 'administrator')
    throw new AccessError(
      'ACCESS_LAST_ADMINISTRATOR',
      'the first user must be an administrator, or nobody could add another',
    )
  const added: User = {
    name,
    role: user.role,
    password: user.password,
    createdMs: nowMs,
    passwordChangedMs: nowMs,
  }
  return { ...accounts, users: [...accounts.users, added] }
}

/** Changes role or password of a user. @throws AccessError `ACCESS_UNKNOWN`, `ACCESS_LAST_ADMINISTRATOR` */
export function changeUser(
  accounts: Accounts,
  written: string,
  change: { role?: Role; password?: PasswordHash },
  nowMs: number,
): Accounts {
  const user = requireUser(accounts, written)
  const changed: User = {
    ...user,
    ...(change.role === undefined ? {} : { role: change.role }),
    ...(change.password === undefined
      ? {}
      : { password: change.password, passwordChangedMs: nowMs }),
  }
  return keepAdministrator({
    ...accounts,
    users: accounts.users.map((each) => (each === user ? changed : each)),
  })
}

/** Removes a user. @throws AccessError `ACCESS_UNKNOWN`, `ACCESS_LAST_ADMINISTRATOR` */
export function removeUser(accounts: Accounts, written: string): Accounts {
  const user = requireUser(accounts, written)
  return keepAdministrator({
    ...accounts,
    users: accounts.users.filter((each) => each !== user),
  })
}

/** @throws AccessError `ACCESS_EXISTS`, `ACCESS_INVALID` */
export function addToken(
  accounts: Accounts,
  token: { name: string; role: Role; digest: string; createdBy: string; expiresMs: number | null },
  nowMs: number,
): Accounts {
  const name = accountName(token.name)
  if (accounts.tokens.some((each) => each.name === name))
    throw new AccessError('ACCESS_EXISTS', `there is a token ${name} already`)
  if (accounts.tokens.length >= tokensMax)
    throw new AccessError('ACCESS_INVALID', `there cannot be more than ${tokensMax} tokens`)
  if (token.expiresMs !== null && !(token.expiresMs > nowMs))
    throw new AccessError('ACCESS_INVALID', 'a token must end in the future')
  const { role, digest, createdBy, expiresMs } = token
  const added: ApiToken = { name, role, digest, createdMs: nowMs, createdBy, expiresMs }
  return { ...accounts, tokens: [...accounts.tokens, added] }
}

/** @throws AccessError `ACCESS_UNKNOWN` */
export function removeToken(accounts: Accounts, written: string): Accounts {
  const name = written.normalize('NFC').toLowerCase()
  const tokens = accounts.tokens.filter((token) => token.name !== name)
  if (tokens.length === accounts.tokens.length)
    throw new AccessError('ACCESS_UNKNOWN', `there is no token ${written}`)
  return { ...accounts, tokens }
}

/** Writes down when users and tokens (`user:NAME`, `token:NAME`) were seen last. */
export function noteSeen(accounts: Accounts, seen: ReadonlyMap<string, number>): Accounts {
  const note = <Seen extends { name: string; lastSeenMs?: number | undefined }>(
    kind: string,
    each: Seen,
  ): Seen => {
    const seenMs = seen.get(`${kind}:${each.name}`)
    return seenMs === undefined || seenMs <= (each.lastSeenMs ?? 0)
      ? each
      : { ...each, lastSeenMs: seenMs }
  }
  return {
    users: accounts.users.map((user) => note('user', user)),
    tokens: accounts.tokens.map((token) => note('token', token)),
  }
}

const moment = z.number().int().nonnegative()
const role = z.enum(roles)
const fileSchema = z.strictObject({
  format: z.literal(accountsFormat),
  version: z.literal(accountsVersion),
  users: z
    .array(
      z.strictObject({
        name: z.string(),
        role,
        password: passwordHashSchema,
        createdMs: moment,
        passwordChangedMs: moment,
        lastSeenMs: moment.optional(),
      }),
    )
    .max(usersMax),
  tokens: z
    .array(
      z.strictObject({
        name: z.string(),
        role,
        digest: z.string().regex(/^[\da-f]{64}$/),
        createdMs: moment,
        createdBy: z.string(),
        expiresMs: moment.nullable(),
        lastSeenMs: moment.optional(),
      }),
    )
    .max(tokensMax),
})

/** The text of `users.json`. */
export function encodeAccounts(accounts: Accounts): string {
  return `${JSON.stringify({ format: accountsFormat, version: accountsVersion, ...accounts }, null, 2)}\n`
}

/** @throws AccessError `ACCESS_FILE_DAMAGED`, `ACCESS_FILE_NEWER` */
export function decodeAccounts(text: string, file: string): Accounts {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw damaged(file, 'it is not JSON', cause)
  }
  const { format, version } = (value ?? {}) as { format?: unknown; version?: unknown }
  if (format === accountsFormat && typeof version === 'number' && version > accountsVersion)
    throw new AccessError(
      'ACCESS_FILE_NEWER',
      `${file} is of format version ${version}, this Khlong reads up to ${accountsVersion}; use a newer one`,
      { fields: { file, version } },
    )
  const result = fileSchema.safeParse(value)
  if (!result.success) {
    const issue = result.error.issues[0]
    throw damaged(file, `${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`)
  }
  const { users, tokens } = result.data
  return { users, tokens }
}

function damaged(file: string, why: string, cause?: unknown): AccessError {
  return new AccessError(
    'ACCESS_FILE_DAMAGED',
    `${file} is damaged (${why}); put a good copy in its place`,
    { fields: { file }, ...(cause === undefined ? {} : { cause }) },
  )
}

function requireUser(accounts: Accounts, written: string): User {
  const user = findUser(accounts, written)
  if (!user) throw new AccessError('ACCESS_UNKNOWN', `there is no user ${written}`)
  return user
}

function keepAdministrator(accounts: Accounts): Accounts {
  if (!accounts.users.some(({ role }) => role === 'administrator'))
    throw new AccessError(
      'ACCESS_LAST_ADMINISTRATOR',
      'this is the last administrator; make another one first',
    )
  return accounts
}
