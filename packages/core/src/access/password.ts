import { scrypt, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import { systemRandom } from '../random.ts'
import { AccessError } from './errors.ts'

/** A password as it is stored; salt and hash are base64. */
export interface PasswordHash {
  readonly kind: 'scrypt'
  readonly cost: number
  readonly blockSize: number
  readonly parallelization: number
  readonly salt: string
  readonly hash: string
}

/** How dear one guess is. */
export interface ScryptCost {
  readonly cost: number
  readonly blockSize: number
  readonly parallelization: number
}

/** 32 MB and about 0.2 s of one core: OWASP's second choice, for boards with little memory. */
export const defaultScryptCost: ScryptCost = { cost: 2 ** 15, blockSize: 8, parallelization: 3 }

const hashBytes = 32
// A damaged or forged file must not make one login take all memory.
const memoryBytesMax = 128 * 1024 * 1024

export const passwordHashSchema: z.ZodType<PasswordHash> = z
  .strictObject({
    kind: z.literal('scrypt'),
    cost: z.number().int().min(2),
    blockSize: z.number().int().min(1),
    parallelization: z.number().int().min(1).max(16),
    salt: z.base64().min(1),
    hash: z.base64().min(1),
  })
  .refine(({ cost, blockSize }) => 128 * cost * blockSize <= memoryBytesMax, {
    error: `needs more than ${memoryBytesMax} bytes`,
  })

/** Hashes a password with a fresh salt. @throws AccessError `ACCESS_BUSY` */
export async function hashPassword(
  password: string,
  cost: ScryptCost = defaultScryptCost,
): Promise<PasswordHash> {
  const salt = systemRandom.bytes(16)
  const hash = await derive(password, salt, cost)
  return {
    kind: 'scrypt',
    ...cost,
    salt: salt.toString('base64'),
    hash: hash.toString('base64'),
  }
}

/**
 * Whether the password is the one that was hashed. Where there is no such user (`undefined`) it
 * takes as long and says no, so that the time does not tell which names exist.
 *
 * @throws AccessError `ACCESS_BUSY` where too many wait already
 */
export async function verifyPassword(
  password: string,
  stored: PasswordHash | undefined,
  cost: ScryptCost = defaultScryptCost,
): Promise<boolean> {
  const salt = stored ? Buffer.from(stored.salt, 'base64') : Buffer.alloc(16)
  const hash = await derive(password, salt, stored ?? cost)
  if (!stored) return false
  const expected = Buffer.from(stored.hash, 'base64')
  return expected.length === hash.length && timingSafeEqual(expected, hash)
}

// One at a time for each thread, and few that wait: guesses from outside can take neither the
// memory nor the thread pool from the data that flows.
const waitingMax = 16
let waiting = 0
let tail: Promise<unknown> = Promise.resolve()

function derive(password: string, salt: Buffer, cost: ScryptCost): Promise<Buffer> {
  if (waiting >= waitingMax)
    return Promise.reject(
      new AccessError('ACCESS_BUSY', 'too many logins wait to be checked; try again in a second', {
        retriable: true,
      }),
    )
  waiting++
  const derived = tail.then(
    () =>
      new Promise<Buffer>((resolve, reject) => {
        const options = {
          N: cost.cost,
          r: cost.blockSize,
          p: cost.parallelization,
          maxmem: memoryBytesMax + 1024 * 1024,
        }
        scrypt(password.normalize('NFKC'), salt, hashBytes, options, (error, key) =>
          error ? reject(error) : resolve(key),
        )
      }),
  )
  const done = (): void => {
    waiting--
  }
  tail = derived.then(done, done)
  return derived
}
