import { createHash, timingSafeEqual } from 'node:crypto'
import type { Random } from './random.ts'
import { systemRandom } from './random.ts'

const tokenPrefix = 'khlong_'
// Without letters and digits that look alike: people read it from one screen and type it into another.
const alphabet = 'abcdefghjkmnpqrstuvwxyz23456789'

/** A fresh token of 256 random bits. The prefix lets scanners find one that leaked. */
export function newToken(random: Random = systemRandom): string {
  return tokenPrefix + random.bytes(32).toString('base64url')
}

/** A password or a one-time code that is easy to type: `length` letters and digits, 4.95 bits each. */
export function newPassword(length: number = 20, random: Random = systemRandom): string {
  let text = ''
  while (text.length < length)
    for (const byte of random.bytes(length * 2)) {
      // Values beyond the last whole multiple would make the first letters more likely.
      if (byte >= 256 - (256 % alphabet.length) || text.length === length) continue
      text += alphabet[byte % alphabet.length]
    }
  return text
}

/**
 * The SHA-256 of a secret in hexadecimal. Only for secrets that are random themselves; a password
 * that a person chose needs scrypt.
 */
export function digestOf(secret: string): string {
  return createHash('sha256').update(secret).digest('hex')
}

/** Compares two texts in a time that says nothing of where they differ. */
export function isEqualSecret(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(a), digest(b))
}
