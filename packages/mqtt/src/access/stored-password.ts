import { argon2, createHash, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'

// The hashes that mosquitto_passwd writes: `$7$ITERATIONS$SALT$HASH` (PBKDF2 with SHA-512, the
// default of 2.0), `$6$SALT$HASH` (SHA-512 of password and salt, 1.6 and before) and the argon2id of
// 2.1 in the form that its reference implementation gives it.

const derive = promisify(pbkdf2)
const deriveArgon2 = promisify(argon2)

/** A password as a file keeps it. */
export type StoredPassword =
  | { kind: 'pbkdf2'; iterations: number; salt: Buffer; hash: Buffer }
  | { kind: 'sha512'; salt: Buffer; hash: Buffer }
  | {
      kind: 'argon2id'
      memoryKib: number
      passes: number
      parallelism: number
      salt: Buffer
      hash: Buffer
    }

const hashBytes = 64
/** A file must not make one login take minutes, or the memory of a small board. */
const iterationsMax = 10_000_000
const memoryKibMax = 262_144
const passesMax = 100
const parallelismMax = 64

/** Iterations for passwords that are made here: about 10 ms on a desktop core. */
export const defaultIterations = 20_000

/** Gives the stored password, or what is wrong with the text. */
export function parseStoredPassword(text: string): StoredPassword | string {
  if (text === '') return 'a hash is missing'
  const [empty, kind, ...rest] = text.split('$')
  if (empty !== '') return 'expected a hash of mosquitto_passwd; a plain password is not taken'
  switch (kind) {
    case '6':
      return parseSha512(rest)
    case '7':
      return parsePbkdf2(rest)
    case 'argon2id':
      return parseArgon2(rest)
    default:
      return `hash type ${kind ?? ''} is not known; $6$, $7$ and $argon2id$ are`
  }
}

function parseSha512([salt, hash, ...rest]: string[]): StoredPassword | string {
  const decoded = decodePair(salt, hash, rest)
  return typeof decoded === 'string' ? decoded : { kind: 'sha512', ...decoded }
}

function parsePbkdf2([count, salt, hash, ...rest]: string[]): StoredPassword | string {
  const iterations = parseCount(count)
  if (iterations < 1 || iterations > iterationsMax)
    return `expected 1 to ${iterationsMax} iterations`
  const decoded = decodePair(salt, hash, rest)
  return typeof decoded === 'string' ? decoded : { kind: 'pbkdf2', iterations, ...decoded }
}

function decodePair(
  salt: string | undefined,
  hash: string | undefined,
  rest: readonly string[],
): { salt: Buffer; hash: Buffer } | string {
  const saltBytes = decodeBase64(salt)
  const bytes = decodeBase64(hash)
  if (!saltBytes || !bytes || rest.length > 0) return 'the hash is not whole'
  if (bytes.length !== hashBytes) return `expected a hash of ${hashBytes} bytes`
  return { salt: saltBytes, hash: bytes }
}

function parseArgon2([version, costs, salt, hash, ...rest]: string[]): StoredPassword | string {
  if (version !== 'v=19') return 'expected version 19 of argon2id'
  const match = /^m=(\d{1,9}),t=(\d{1,9}),p=(\d{1,9})$/.exec(costs ?? '')
  const [memoryKib, passes, parallelism] = (match?.slice(1) ?? []).map(Number)
  if (memoryKib === undefined || passes === undefined || parallelism === undefined)
    return 'expected m=MEMORY,t=PASSES,p=LANES'
  if (memoryKib > memoryKibMax || passes > passesMax || parallelism > parallelismMax)
    return `argon2id is taken up to m=${memoryKibMax},t=${passesMax},p=${parallelismMax}`
  if (passes < 1 || parallelism < 1 || memoryKib < 8 * parallelism)
    return 'the costs of argon2id are too small'
  const saltBytes = decodeBase64(salt)
  const bytes = decodeBase64(hash)
  if (!saltBytes || !bytes || rest.length > 0) return 'the hash is not whole'
  if (saltBytes.length < 8 || bytes.length < 16 || bytes.length > 1_024)
    return 'salt or hash of argon2id has a wrong size'
  return { kind: 'argon2id', memoryKib, passes, parallelism, salt: saltBytes, hash: bytes }
}

function parseCount(text: string | undefined): number {
  return /^\d{1,9}$/.test(text ?? '') ? Number(text) : -1
}

function decodeBase64(text: string | undefined): Buffer | undefined {
  if (!text || !/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return undefined
  return Buffer.from(text, 'base64')
}

/** Whether `password` is the stored one. The work is done off the main thread, in constant time. */
export async function isPassword(stored: StoredPassword, password: Buffer): Promise<boolean> {
  return timingSafeEqual(await digest(stored, password), stored.hash)
}

function digest(stored: StoredPassword, password: Buffer): Promise<Buffer> | Buffer {
  switch (stored.kind) {
    case 'sha512':
      return createHash('sha512').update(password).update(stored.salt).digest()
    case 'pbkdf2':
      return derive(password, stored.salt, stored.iterations, hashBytes, 'sha512')
    case 'argon2id':
      return deriveArgon2('argon2id', {
        message: password,
        nonce: stored.salt,
        memory: stored.memoryKib,
        passes: stored.passes,
        parallelism: stored.parallelism,
        tagLength: stored.hash.length,
      }) as Promise<Buffer>
  }
}

/** Hashes a password as mosquitto_passwd does: `$7$…`, with a fresh salt. */
export async function hashPassword(
  password: string,
  iterations: number = defaultIterations,
): Promise<string> {
  const salt = randomBytes(12)
  const hash = await derive(password, salt, iterations, hashBytes, 'sha512')
  return `$7$${iterations}$${salt.toString('base64')}$${hash.toString('base64')}`
}

/** A password that nobody has, for checks that must take as long where a user is not known. */
export function nobodysPassword(like: StoredPassword | undefined): StoredPassword {
  const salt = randomBytes(12)
  if (like?.kind === 'argon2id') return { ...like, salt: randomBytes(16) }
  if (like?.kind === 'sha512') return { kind: 'sha512', salt, hash: randomBytes(hashBytes) }
  return { kind: 'pbkdf2', iterations: like?.iterations ?? 101, salt, hash: randomBytes(hashBytes) }
}

/** Whether both are the same line of a file. */
export function isSamePassword(a: StoredPassword, b: StoredPassword): boolean {
  return a.kind === b.kind && a.salt.equals(b.salt) && a.hash.equals(b.hash)
}
