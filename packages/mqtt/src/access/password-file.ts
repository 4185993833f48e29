import { lineError } from './access-file-error.ts'
import { parseStoredPassword, type StoredPassword } from './stored-password.ts'

// Mosquitto's password_file: `USERNAME:HASH` a line, comments begin with #.
//
// Mosquitto leaves out a line that it cannot read and goes on; here the file is refused, because the
// user of that line could not log in and nobody would know why.

/** The users that may log in, by name. */
export type PasswordTable = ReadonlyMap<string, StoredPassword>

const nameBytesMax = 65_535

/** @throws SettingsError `SETTINGS_INVALID` with file and line. */
export function parsePasswordFile(text: string, file: string): PasswordTable {
  const table = new Map<string, StoredPassword>()
  for (const [index, line] of text.split('\n').entries()) {
    const refuse = (what: string): Error => lineError(file, index + 1, what)
    if (line.startsWith('#') || line.trim() === '') continue
    const colon = line.indexOf(':')
    if (colon < 0) throw refuse('expected USERNAME:HASH')
    const username = line.slice(0, colon).trim()
    if (username === '') throw refuse('a username is missing')
    if (Buffer.byteLength(username) > nameBytesMax) throw refuse('the username is too long')
    if (table.has(username)) throw refuse(`user ${username} stands here a second time`)
    const stored = parseStoredPassword(line.slice(colon + 1).trim())
    if (typeof stored === 'string') throw refuse(`user ${username}: ${stored}`)
    table.set(username, stored)
  }
  return table
}

/** The text of a password file with the line of `username` changed, added, or removed without one. */
export function withPassword(text: string, username: string, hash: string | undefined): string {
  const lines = text === '' ? [] : text.replace(/\r?\n$/, '').split('\n')
  const line = hash === undefined ? undefined : `${username}:${hash}`
  const at = lines.findIndex(
    (one) => !one.startsWith('#') && one.split(':', 1)[0]?.trim() === username && one.includes(':'),
  )
  if (at < 0 && line !== undefined) lines.push(line)
  else if (at >= 0) lines.splice(at, 1, ...(line === undefined ? [] : [line]))
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`
}
